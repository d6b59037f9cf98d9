"""Answers stay within their bound, whatever is in them."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from mnemolite.bounded import ANSWER_TOKENS, listing, passage
from search.budget import clip, token_bound


@settings(deadline=None)
@given(items=st.lists(st.text(max_size=3_000), max_size=30), factor=st.integers(1, 20))
def test_a_list_is_cut_at_its_end(items: list[str], factor: int) -> None:
    """What is left out is counted, and the rest is JSON."""
    items = [item * factor for item in items]
    answer = listing({"name": "x"}, "items", items)
    document = json.loads(answer)

    assert token_bound(answer) <= ANSWER_TOKENS
    assert document["items"] == items[: len(document["items"])]
    assert document.get("left_out", 0) == len(items) - len(document["items"])


@settings(deadline=None)
@given(lines=st.lists(st.text('ab\0\u20ac"\\', max_size=200), max_size=300))
def test_a_passage_is_cut_at_a_line(lines: list[str]) -> None:
    """Escapes count as they are sent."""
    content = "\n".join(lines)
    answer = passage({}, "content", content)

    assert token_bound(answer) <= ANSWER_TOKENS
    assert content.startswith(json.loads(answer)["content"])


@settings(deadline=None)
@given(text=st.text(max_size=500), tokens=st.integers(1, 100))
def test_a_clip_is_a_beginning_that_fits(text: str, tokens: int) -> None:
    """Never more than was allowed."""
    clipped = clip(text, tokens)

    assert text.startswith(clipped)
    assert token_bound(clipped) <= tokens
