"""A number that stands for a policy's text, so that changing a rule cannot go unnoticed.

Apart because every policy of discovery (skip rules, redaction, decoding) is fingerprinted alike.
"""

import hashlib
from collections.abc import Iterable


def fingerprint(parts: Iterable[object]) -> int:
    """A positive 31-bit number (PostgreSQL's `integer`), equal on every host for equal parts.

    Args:
        parts: strings, numbers, or sequences of them; never sets, whose order is random.
    """
    digest = hashlib.sha256("\0".join(map(repr, parts)).encode()).digest()
    return int.from_bytes(digest[:4]) >> 1
