"""The parser process with another size of chunks; run as a module, by `tasks.parse.sandbox`.

The size must be set before `tasks.parse.chunks` takes it over, hence a program of its own.
"""

import sys

from tasks.parse import cuts


def main(arguments: list[str]) -> None:
    """Characters per chunk, then what `tasks.parse.child` wants."""
    cuts.CHUNK_CHARS = int(arguments[0])
    cuts.FULL_CHARS = cuts.CHUNK_CHARS - cuts.CLOSER_CHARS

    from tasks.parse import child, chunks  # noqa: PLC0415 - they copy the constants

    chunks.WHOLE_CHARS = cuts.CHUNK_CHARS // 2  # as it is, relative to the other
    child.main(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
