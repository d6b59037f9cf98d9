"""Answers for language models: one JSON document of at most so many tokens, and what was left out.

The whole document is measured, escapes included; what does not fit is dropped from the end, and the
document says how much.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from search.budget import clip, token_bound, window

ANSWER_TOKENS = 6_000
MIN_BUDGET = 200  # what remains when all has given way
MAX_BUDGET = 100_000
SHORTEST = 100  # tokens of a content; below, one result more is worth less than what it shows


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


def fitted(
    document: dict[str, Any], budget: int, render: Callable[[object], str] = render
) -> dict[str, Any]:
    """The answer of a search, cut to a budget; it says what was cut.

    First go the commits of repositories without a result; then contents are cut, all to the same
    length, around the lines that matched; then signals go; then results, from the end; then the
    rest of the document, the longest part first.

    Args:
        document: with `results`, each with `content` and its lines.
        budget: tokens at the most, from `MIN_BUDGET`.
        render: makes the text that is bounded.
    """

    def fits(cut: dict[str, Any]) -> bool:
        return token_bound(render(cut)) <= budget

    results = document["results"]
    if fits(document):
        return document
    document = _of_its_repositories(document)
    if not fits(_cut(document, len(results), SHORTEST)):
        document = _without_signals(document)
    kept = _most(lambda n: fits(_cut(document, n, SHORTEST)), len(results))
    if kept:
        tokens = _most(lambda n: fits(_cut(document, kept, n)), budget, SHORTEST)
        return _cut(document, kept, tokens)
    document = _cut(document, 0, 0)
    for _ in range(len(document)):
        if fits(document):
            break
        document = _emptied(document)
    return document


def _cut(document: dict[str, Any], kept: int, tokens: int) -> dict[str, Any]:
    """The first results, each with at most so many tokens of content."""
    results = [_shortened(result, tokens) for result in document["results"][:kept]]
    short = sum("shows" in result for result in results)
    left_out = len(document["results"]) - kept
    return (
        document
        | {"results": results}
        | ({"left_out": left_out} if left_out else {})
        | ({"clipped": _counted(document, "contents", short)} if short else {})
    )


def _shortened(result: dict[str, Any], tokens: int) -> dict[str, Any]:
    """`shows` names the first and last line of what is left of the content."""
    if token_bound(result["content"]) <= tokens:
        return result
    start = result["start_line"]
    first, last = result.get("matched", [[start, result["end_line"]]])[0]
    content, first, last = window(result["content"], first - start, last - start, tokens)
    return result | {"content": content, "clipped": True, "shows": [start + first, start + last]}


def _of_its_repositories(document: dict[str, Any]) -> dict[str, Any]:
    """Without the commits of repositories that have no result."""
    named = {result["repository"] for result in document["results"]}
    commits = {k: v for k, v in document.get("commits", {}).items() if k in named}
    snapshots = [s for s in document.get("snapshots", []) if s["repository"] in named]
    for key, kept in (("commits", commits), ("snapshots", snapshots)):
        gone = len(document.get(key, ())) - len(kept)
        if gone:
            document = document | {key: kept, "clipped": _counted(document, key, gone)}
    return document


def _without_signals(document: dict[str, Any]) -> dict[str, Any]:
    had = sum(bool(result.get("signals")) for result in document["results"])
    if not had:
        return document
    results = [result | {"signals": {}} for result in document["results"]]
    return document | {"results": results, "clipped": _counted(document, "signals", had)}


def _emptied(document: dict[str, Any]) -> dict[str, Any]:
    """Without its longest part; `clipped` says how long that was."""
    parts = {
        k: v for k, v in document.items() if k != "clipped" and isinstance(v, str | list | dict)
    }
    key = max(parts, key=lambda name: len(render(parts[name])))
    empty = type(parts[key])()
    return document | {key: empty, "clipped": _counted(document, key, len(parts[key]))}


def _counted(document: dict[str, Any], key: str, gone: int) -> dict[str, int]:
    """`clipped`, with so many more of `key`."""
    clipped: dict[str, int] = document.get("clipped", {})
    return clipped | {key: clipped.get(key, 0) + gone}


def _most(holds: Callable[[int], bool], most: int, least: int = 0) -> int:
    """The largest number from `least` to `most` for which it holds; `least` need not."""
    while least < most:
        middle = (least + most + 1) // 2
        if holds(middle):
            least = middle
        else:
            most = middle - 1
    return least


def clipped(content: str, tokens: int) -> dict[str, Any]:
    """`content`, cut to `tokens`, and whether it was."""
    kept = clip(content, tokens)
    return {"content": kept} | ({} if kept == content else {"clipped": True})


def _longest(make: Callable[[int], str], most: int) -> str:
    return make(_most(lambda kept: token_bound(make(kept)) <= ANSWER_TOKENS, most))
