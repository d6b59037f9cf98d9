"""The two texts that a chunk is embedded as: parsing digests what embedding later encodes.

*text* is what a person would call the code: its name, signature and docstring. *code* is the code.
Neither names the file, so identical content shares its vectors across paths, branches and forks.
"""

import hashlib

PROSE = frozenset({"markdown", "text", "html"})


def text_input(language: str, name_path: str, signature: str, docstring: str, body: str) -> str:
    """What the text space embeds; falls back to the body where nothing has a name or is prose."""
    if language in PROSE or not name_path:
        return body
    return "\n".join(part for part in (name_path, signature, docstring) if part)


def code_input(signature: str, body: str) -> str:
    """What the code space embeds: the body, under its signature where it continues a definition."""
    header = signature.partition("\n")[0]
    if not header or header in " ".join(body.split()):
        return body
    return f"{header}\n{body}"


def digest(text: str) -> bytes:
    """The key under which a text's vectors are shared: its SHA-256, 32 bytes."""
    return hashlib.sha256(text.encode()).digest()
