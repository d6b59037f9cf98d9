"""The sandboxed process: reads files from stdin, parses them, writes what it found to stdout.

A hostile file may hang it, crash it or fill its memory; then its parent, `tasks.parse.sandbox`,
starts another one. Hence it imports little, holds no secret, and gives up its rights before it
reads the first byte: no new files, bounded memory and processor time, no life without its parent.
"""

import gc
import os
import resource
import sys
import time
from typing import IO, Any

from config.errors import ParseTimeoutError
from tasks.lifeline import die_with
from tasks.parse.frames import EXIT_OUT_OF_MEMORY, READY, encode, read
from tasks.parse.parse import parse_source

_OPEN_FILES = 32
# the kernel counts this limit in clock ticks, which drift from the precise clock by tens of percent
_CPU_SLACK = 1.5
_CPU_GRACE_SECONDS = 10


def main(arguments: list[str]) -> None:
    """Parses until the input ends.

    Args:
        arguments: the address space in MiB, and the parent's process id.
    """
    memory_mib, parent = (int(argument) for argument in arguments)
    die_with(parent)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # nothing but replies may reach the parent's end of the pipe
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    confine(memory_mib)
    gc.freeze()
    _send(replies, READY)
    while request := read(sys.stdin.buffer):
        try:
            _send(replies, _answer(request))
        except MemoryError:
            os._exit(EXIT_OUT_OF_MEMORY)


def confine(memory_mib: int) -> None:
    """Gives up memory, files and core dumps for good."""
    memory = memory_mib << 20
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        resource.setrlimit(limit, (value, value))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    seconds = request["seconds"]
    # a backstop for the parent's clock: it works even when the parent is stopped
    processor_time = int(_CPU_SLACK * time.process_time() + seconds) + _CPU_GRACE_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (processor_time, resource.RLIM_INFINITY))
    try:
        parsed = parse_source(request["source"], request["language"], time.monotonic() + seconds)
    except ParseTimeoutError as exc:
        return {"id": request["id"], "late": str(exc)}
    return {"id": request["id"], "parsed": parsed.to_plain()}


def _send(stream: IO[bytes], message: dict[str, Any]) -> None:
    stream.write(encode(message))
    stream.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
