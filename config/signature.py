"""The signature of an error: what is left of its message when everything that varies is gone.

Apart from `scrub.py`, because that one protects and this one groups: the list of failures and the
table of errors count by it. Every step is linear in the message.
"""

import re

from config.scrub import scrub

MAX_MESSAGE = 2_000  # characters that are looked at
MAX_CHARS = 200  # of a signature

# An apostrophe inside a word ("can't") quotes nothing; a quoted part is short and on one line.
QUOTED = re.compile(r"(?<!\w)'[^'\n]{1,300}'(?!\w)|\"[^\"\n]{1,300}\"|`[^`\n]{1,300}`")
WORD = re.compile(r"\S+")
FILE_NAME = re.compile(r"[\w.-]*\w\.[a-z]{1,4}(?::\d+){0,2}")
UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
# At least seven digits, as git shortens a commit; a word of letters only is a word.
HEX = re.compile(r"\b(?:0x[0-9a-f]+|(?=[a-f]{0,16}\d)[0-9a-f]{7,})\b", re.IGNORECASE)
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
OPENING, CLOSING = "([{<'\"", ")]}>'\",;:.!?"


def signature(error_class: str, message: str) -> str:
    """Equal for errors that differ only in numbers, digests, paths, addresses or quoted names.

    >>> signature("ParseError", "/src/a.py: line 12 is broken")
    'ParseError: <path>: line <n> is broken'
    """
    text = QUOTED.sub("<name>", scrub(message)[:MAX_MESSAGE])
    text = " ".join(_generalised(word) for word in WORD.findall(text))
    return f"{error_class}: {text}"[:MAX_CHARS].rstrip()


def _generalised(word: str) -> str:
    bare = word.lstrip(OPENING).rstrip(CLOSING)
    before, _, after = word.partition(bare) if bare else (word, "", "")
    if "://" in bare:
        bare = "<url>"
    elif "/" in bare or "\\" in bare or FILE_NAME.fullmatch(bare):
        bare = "<path>"
    else:
        bare = NUMBER.sub("<n>", HEX.sub("<hex>", UUID.sub("<id>", bare)))
    return f"{before}{bare}{after}"
