"""From bytes to text, the same on every host: by byte order mark, else UTF-8, else not at all.

Apart from the skip rules, because it makes something. Encodings are not guessed: a wrong guess is
worse to search than a replacement character, and no two versions of a guesser agree.
"""

import codecs
from typing import Final

from tasks.discover.fingerprint import fingerprint

REPLACEMENT: Final = "\ufffd"

# The longer marks first: UTF-32's starts with UTF-16's.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
_MAX_REPLACED: Final = 0.3  # comments in Cyrillic or Japanese in an old encoding stay below this
_MAX_CONTROLS: Final = 0.01  # a form feed or an escape sequence is text, a hundred are not
_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {*b"\t\n\r\f\v\b\x1b"})
_SEMANTICS: Final = 1  # counts changes of behaviour that the figures do not show

DECODING_VERSION: Final = fingerprint((_SEMANTICS, _MARKS, _MAX_REPLACED, _MAX_CONTROLS, _CONTROLS))
"""Changes whenever some bytes may decode differently."""


def decode(content: bytes) -> str | None:
    """The text, without byte order mark and without NUL; None where the bytes are no text."""
    if not content.startswith(tuple(mark for mark, _ in _MARKS)):
        return _unmarked(content)
    mark, encoding = next(pair for pair in _MARKS if content.startswith(pair[0]))
    text = content[len(mark) :].decode(encoding, errors="replace")
    return None if "\0" in text or _too_much_replaced(text) else text


def _unmarked(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode(errors="replace")
        if _too_much_replaced(text):
            return None
    controls = len(content) - len(content.translate(None, delete=_CONTROLS))
    return None if controls > _MAX_CONTROLS * len(content) else text


def _too_much_replaced(text: str) -> bool:
    return text.count(REPLACEMENT) > _MAX_REPLACED * len(text)
