"""Fusion, ranking and filters, without a database."""

from collections.abc import Collection

import pytest

from search.candidates import Candidate
from search.intent import intent
from search.rank import Ranked, fold, fuse, rank
from search.scope import like_pattern
from search.weights import ARMS, DEFAULT, RAW, QueryKind, Weights

SPELLED, DESCRIBED = ARMS["identifier"], ARMS["natural"]


def ranked(
    query: str,
    *paths: str,
    weights: Weights = DEFAULT,
    defining: Collection[int] = (),
    at_path: Collection[int] = (),
) -> list[str]:
    """The order of chunks, one at each path, that one arm found in the order given."""
    items = fuse({"lexical": [(i, 1.0) for i in range(len(paths))]}, weights=weights)
    known = {i: Candidate(i, "r", path, i, "function") for i, path in enumerate(paths)}
    order = rank(items, intent(query), known, defining=defining, at_path=at_path, weights=weights)
    return [paths[item.chunk_id] for item in order]


def best(arm: str) -> float:
    """The fused score of what stands first in one arm of prose."""
    return DESCRIBED[arm] / (DEFAULT.rrf_k + 1)


def test_a_hit_of_two_arms_beats_the_first_of_one() -> None:
    """Agreement counts more than a single good place."""
    found = fuse({"text": [(1, 0.1), (2, 0.2)], "code": [(3, 0.1), (2, 0.2)]})

    assert found[0].chunk_id == 2
    assert found[0].score == pytest.approx(
        (DESCRIBED["text"] + DESCRIBED["code"]) / (DEFAULT.rrf_k + 2)
    )


def test_every_hit_says_where_it_stood() -> None:
    """A result explains its score."""
    [first, *_] = fuse({"lexical": [(1, 9.0)], "code": [(1, 0.25)]})

    assert first.signals == {
        "lexical": {"rank": 1, "value": 9.0},
        "code": {"rank": 1, "value": 0.25},
    }


def test_equal_scores_have_a_fixed_order() -> None:
    """The same search gives the same answer twice."""
    assert [1, 2] == [item.chunk_id for item in fuse({"text": [(2, 0.0)], "code": [(1, 0.0)]})]


def test_words_weigh_more_where_a_name_is_asked_for() -> None:
    """A name is spelled, not described."""
    arms = {"lexical": [(1, 1.0)], "text": [(2, 0.1)], "code": [(2, 0.1)]}

    assert fuse(arms, "identifier")[0].chunk_id == 1
    assert SPELLED["lexical"] > SPELLED["text"] + SPELLED["code"]


@pytest.mark.parametrize("kind", ARMS)
def test_the_arms_of_a_kind_share_one_weight(kind: QueryKind) -> None:
    """Scores of different queries are comparable."""
    assert sum(ARMS[kind].values()) == pytest.approx(1)


def test_a_definition_comes_first() -> None:
    """Although its uses hold the name more often."""
    assert ranked("load", "uses.py", "other.py", "home.py", defining=[2])[0] == "home.py"


def test_a_definition_that_no_arm_found_is_found() -> None:
    """The symbol table is an arm of its own."""
    known = {7: Candidate(7, "r", "a.py", 7, "function")}

    [only] = rank([], intent("load"), known, defining=[7])

    assert (only.chunk_id, set(only.signals)) == (7, {"ranking"})


def test_where_words_speak_alone_a_name_they_spell_gains() -> None:
    """A definition is called what it does; vectors have read the name already."""
    known = {
        1: Candidate(1, "r", "a.py", 1, "function", "Url.join_query"),
        2: Candidate(2, "r", "a.py", 2, "function", "Url.parse_url"),
    }
    asked = intent("parses a given url")

    def gains(arm: str) -> dict[int, float]:
        found = rank(fuse({arm: [(1, 1.0), (2, 1.0)]}), asked, known)
        return {item.chunk_id: item.signals.get("ranking", {}).get("name", 0) for item in found}

    assert gains("lexical") == {1: 0, 2: pytest.approx(DEFAULT.name * best("lexical"), rel=1e-4)}
    assert gains("text") == {1: 0, 2: 0}


def test_a_path_that_is_asked_for_comes_first() -> None:
    """Before files that merely mention it."""
    assert ranked("src/b.py", "docs/a.md", "src/b.py", at_path=[1])[0] == "src/b.py"


def test_a_path_with_the_words_gains() -> None:
    """People name files after what is in them."""
    assert ranked("parse a cookie header", "a.py", "http/cookie.py")[0] == "http/cookie.py"


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_a.py",
        "src/a_test.go",
        "pkg/__tests__/a.js",
        "a.spec.ts",
        "src/FooTest.java",
        "examples/a.py",
        "lib/_compat.py",
        "conftest.py",
    ],
)
def test_tests_and_examples_stand_behind(path: str) -> None:
    """They hold the words of what they try."""
    assert ranked("zzz", path, "src/b.py") == ["src/b.py", path]


@pytest.mark.parametrize("path", ["src/latest.py", "attest/a.py", "contest.go", "src/testimony.py"])
def test_a_name_with_test_in_it_is_no_test(path: str) -> None:
    """Only whole names of folders and the usual forms of files count."""
    assert ranked("zzz", path, "src/b.py")[0] == path


def test_tests_that_are_asked_for_do_not_lose() -> None:
    """The query says so."""
    assert ranked("test zzz", "tests/test_a.py", "src/b.py")[0] == "tests/test_a.py"


def test_what_only_declares_stands_behind() -> None:
    """The thing itself is elsewhere."""
    assert ranked("zzz", "types/a.d.ts", "src/b.js")[0] == "src/b.js"


def test_raw_weights_leave_the_fused_order() -> None:
    """What benchmarks compare with."""
    paths = ("tests/a.py", "tests/a.py", "zzz/b.py")

    assert tuple(ranked("zzz", *paths, weights=RAW, defining=[2])) == paths


def test_every_loss_is_told() -> None:
    """So that nobody wonders why a hit stands low."""
    known = {1: Candidate(1, "r", "tests/a.d.ts", 1, "function")}

    [item] = rank([Ranked(1, 1.0)], intent("zzz"), known)

    assert item.signals["ranking"] == {"tests": 0.3, "declarations": 0.7}


def test_a_chunk_that_left_the_scope_is_left_out() -> None:
    """Only what is known is shown."""
    assert rank([Ranked(1, 1.0)], intent("zzz"), {}) == []


def test_equal_code_is_folded_into_the_best() -> None:
    """A fork's copy is another place, not another hit."""
    known = {
        i: Candidate(i, "r", f"{i}.py", code, "function") for i, code in [(1, 5), (2, 6), (3, 5)]
    }

    assert fold([Ranked(3), Ranked(2), Ranked(1)], known) == {3: [1], 2: []}


@pytest.mark.parametrize(
    ("glob", "pattern"),
    [
        ("*.py", "%.py"),
        ("src/**/main.go", "src/%main.go"),
        ("a_b%c", "a\\_b\\%c"),
        ("./x?.c", "x_.c"),
    ],
)
def test_globs_become_like_patterns(glob: str, pattern: str) -> None:
    """Only * and ? are special."""
    assert pattern == like_pattern(glob)
