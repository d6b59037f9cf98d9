"""The two texts that a chunk is embedded as: parsing digests what embedding later encodes.

*text* is what a person would call the code: its name, signature and docstring. *code* is the code,
and nothing else. Neither names the file, so identical content shares its vectors across paths,
branches and forks.
"""

import hashlib

PROSE = frozenset({"markdown", "text", "html"})


def text_input(language: str, name_path: str, signature: str, docstring: str, body: str) -> str:
    """What the text space embeds; falls back to the body where nothing has a name or is prose."""
    if language in PROSE or not name_path:
        return body
    return "\n".join(part for part in (name_path, signature, docstring) if part)


def digest(text: str) -> bytes:
    """The key under which a text's vectors are shared: its SHA-256, 32 bytes."""
    return hashlib.sha256(text.encode()).digest()
