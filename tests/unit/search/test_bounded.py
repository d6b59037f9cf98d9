"""Answers stay within their bound, whatever is in them."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mnemolite.bounded import ANSWER_TOKENS, MIN_BUDGET, fitted, listing, passage, render
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


NASTY = st.text('ab\0\u20ac"\\\n', max_size=300)
RESULTS = st.builds(
    lambda repository, path, content, first, length, signals: {
        "repository": repository,
        "path": path,
        "start_line": 10,
        "end_line": 10 + content.count("\n"),
        "content": content,
        "matched": [[10 + first, 10 + first + length]],
        "signals": signals,
    },
    st.sampled_from("abc"),
    NASTY,
    st.builds(lambda text, times: text * times, NASTY, st.integers(1, 30)),
    st.integers(0, 20),
    st.integers(0, 20),
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 1)),
)
ANSWERS = st.builds(
    lambda results, names, text, degraded: {
        "query": text,
        "mode": "hybrid",
        "coverage": {"lexical": 1.0, "text": 1.0, "code": 1.0},
        "degraded": degraded,
        "commits": dict.fromkeys(names, "c" * 40),
        "snapshots": [{"repository": name, "commit": "c" * 40, "age_s": 1} for name in names],
        "models": {"text": text},
        "results": results,
    },
    st.lists(RESULTS, max_size=20),
    st.lists(st.text(max_size=20) | st.sampled_from("abc"), max_size=40),
    st.text(max_size=2_000),
    st.lists(NASTY, max_size=5),
)


def spaced(document: object) -> str:
    """As the command line prints it."""
    return json.dumps(document) + "\n"


@settings(deadline=None, max_examples=300)
@given(answer=ANSWERS, budget=st.integers(MIN_BUDGET, 8_000), compact=st.booleans())
def test_an_answer_never_exceeds_its_budget(
    answer: dict[str, Any], budget: int, compact: bool
) -> None:
    """Whatever is in it; what is left is as it was, and what is not is counted."""
    make = render if compact else spaced
    cut = fitted(answer, budget, make)

    assert token_bound(make(cut)) <= budget
    assert (cut["mode"], cut["coverage"]) == (answer["mode"], answer["coverage"])
    assert len(cut["results"]) + cut.get("left_out", 0) == len(answer["results"])
    for key in ("commits", "snapshots", "degraded", "query"):
        gone = cut.get("clipped", {}).get(key, 0)
        assert len(cut[key]) + gone == len(answer[key])
    for shown, whole in zip(cut["results"], answer["results"], strict=False):
        assert shown["signals"] in ({}, whole["signals"])
        assert shown | {"signals": whole["signals"]} == whole or (
            shown["clipped"] and shown["content"].removesuffix("\n") in whole["content"]
        )


def result(number: int, lines: int) -> dict[str, Any]:
    """A definition of so many lines, of which one in the middle was found."""
    content = "\n".join(f"line {line}" for line in range(100, 100 + lines))
    return {
        "repository": "web",
        "path": f"{number}.py",
        "start_line": 100,
        "end_line": 99 + lines,
        "content": content,
        "matched": [[100 + lines // 2, 100 + lines // 2]],
    }


def test_an_answer_that_fits_is_left_alone() -> None:
    """Nothing is said of cuts."""
    answer = {"commits": {"web": "c", "other": "c"}, "results": [result(1, 20)]}

    assert fitted(answer, 5_000) == answer


def test_contents_are_cut_before_results_are_left_out() -> None:
    """Around the lines that were found, and the result says which it shows."""
    signals = {"lexical": {"rank": 1}}
    results = [result(number, 1_000) | {"signals": signals} for number in range(5)]

    cut = fitted({"results": results}, 1_500)

    assert len(cut["results"]) == 5
    assert cut["clipped"] == {"contents": 5}
    assert cut["results"][0]["signals"] == signals
    first, last = cut["results"][0]["shows"]
    assert 500 < first < 600 < last < 700
    assert cut["results"][0]["content"].startswith(f"line {first}\n")
    assert cut["results"][0]["content"].endswith(f"line {last}")
    assert token_bound(render(cut)) > 1_400


def test_short_contents_stay_whole_beside_long_ones() -> None:
    """All are cut to the same length, not by the same share."""
    cut = fitted({"results": [result(1, 1_000), result(2, 12)]}, 600)

    assert cut["results"][1] == result(2, 12)
    assert cut["results"][0]["clipped"]


def test_signals_go_before_a_result_does() -> None:
    """They explain, they do not answer."""
    signals = {"lexical": {"rank": 1, "value": 0.123456}, "ranking": {"path": 0.1, "file": 0.01}}
    results = [result(number, 12) | {"signals": signals} for number in range(5)]

    cut = fitted({"results": results}, 460)

    assert cut["results"] == [result(number, 12) | {"signals": {}} for number in range(5)]
    assert cut["clipped"] == {"signals": 5}


def test_commits_of_repositories_without_a_result_go_first() -> None:
    """They are what an answer can best do without."""
    names = [f"repository-{number}" for number in range(500)]
    answer = {
        "commits": dict.fromkeys(["web", *names], "c"),
        "snapshots": [{"repository": name} for name in ["web", *names]],
        "results": [result(1, 20)],
    }

    cut = fitted(answer, 400)

    assert cut["results"] == answer["results"]
    assert (cut["commits"], cut["snapshots"]) == ({"web": "c"}, [{"repository": "web"}])
    assert cut["clipped"] == {"commits": 500, "snapshots": 500}
