"""Answers for language models: one JSON document of at most so many tokens, and what was left out.

The whole document is measured, escapes included; what does not fit is dropped from the end, and the
document says how much.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from search.budget import clip, token_bound

ANSWER_TOKENS = 6_000


def render(document: object) -> str:
    """The document as JSON in one line."""
    return json.dumps(document, ensure_ascii=False, default=str, separators=(",", ":"))


def listing(document: dict[str, Any], key: str, items: Sequence[Any]) -> str:
    """`document` with as many of `items` under `key` as fit, the first ones first."""

    def make(kept: int) -> str:
        left_out = {"left_out": len(items) - kept} if kept < len(items) else {}
        return render(document | {key: list(items[:kept])} | left_out)

    return _longest(make, len(items))


def passage(document: dict[str, Any], key: str, content: str) -> str:
    """`document` with as many lines of `content` under `key` as fit, the first ones first."""
    lines = clip(content, ANSWER_TOKENS).splitlines(keepends=True)
    total = len(content.splitlines())

    def make(kept: int) -> str:
        left_out = {"lines_left_out": total - kept} if kept < total else {}
        return render(document | {key: "".join(lines[:kept])} | left_out)

    return _longest(make, len(lines))


def clipped(content: str, tokens: int) -> dict[str, Any]:
    """`content`, cut to `tokens`, and whether it was."""
    kept = clip(content, tokens)
    return {"content": kept} | ({} if kept == content else {"clipped": True})


def _longest(make: Callable[[int], str], most: int) -> str:
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if token_bound(make(middle)) <= ANSWER_TOKENS:
            low = middle
        else:
            high = middle - 1
    return make(low)
