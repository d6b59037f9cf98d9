"""The lexical arm: what it finds, and that its shortcuts change nothing that matters."""

import re
from collections.abc import Callable, Sequence

import pytest

import search.lexical
from schema.statistics import refresh_statistics
from search.lexical import Hit, search_lexical
from search.scope import Scope
from search.weights import BM25, QueryKind
from search.words import Vocabulary, Words
from tests.harness import Pipeline

IndexFiles = Callable[[str, dict[str, str]], None]
SMALL = {
    "a.py": "def load_settings(path):\n    return parse(path)\n",
    "b.py": "def other(path):\n    settings = load(path)\n    return settings, path, path\n",
    "c.go": "package c\n\nfunc Dir() string { return path }\n",
    "deep/d.py": "# returns nothing\nvalue = 1\n",
    "unlinked.py": "shelf.unlink()\n",
    "removed.py": "shelf.remove()\n",
    "whether.py": "shelf.whether()\n",
    "escaped.py": "shelf.escape()\n",
}
FILLERS = 400


@pytest.fixture(scope="module")
def index(shared_pipeline: Pipeline, index_files: IndexFiles) -> Pipeline:
    """A small folder, and a larger one that holds some of the same words."""
    index_files("small", SMALL)
    index_files(
        "large",
        {
            f"{n}.py": f"path = parse({n}) + filler * {'ab'[n % 20 > 0]}rare\n"
            for n in range(FILLERS)
        },
    )
    with shared_pipeline.runtime.database.autocommit() as connection:
        refresh_statistics(connection)
    return shared_pipeline


def chunks(pipeline: Pipeline) -> int:
    """How many there are."""
    [(count,)] = pipeline.sql("SELECT count(*) FROM code_chunks")
    return int(count)


def hits(
    pipeline: Pipeline,
    query: str,
    kind: QueryKind = "identifier",
    limit: int = 50,
    scope: Scope | None = None,
    count: int | None = None,
) -> list[Hit]:
    """What the arm finds."""
    many = chunks(pipeline) if count is None else count
    with pipeline.runtime.database.reading() as connection:
        return search_lexical(
            connection, Vocabulary(), query, kind, scope or Scope(), limit, chunks=many
        )


def paths(pipeline: Pipeline, found: Sequence[Hit]) -> list[str]:
    """Where they stand."""
    rows = pipeline.sql(
        "SELECT c.id, f.path FROM code_chunks c JOIN snapshot_files f USING (blob_id)"
    )
    places = {row.id: row.path for row in rows}
    return [places[hit.chunk_id] for hit in found]


def scored(pipeline: Pipeline, query: str, kind: QueryKind) -> list[tuple[str, Hit]]:
    """Hits with where they stand."""
    found = hits(pipeline, query, kind)
    return list(zip(paths(pipeline, found), found, strict=True))


def test_scores_are_bm25f(index: Pipeline) -> None:
    """As computed from the stored words, one position after another."""
    [(total, average)] = index.sql("SELECT count(*), avg(length)::float FROM code_chunks")
    constants = BM25["identifier"]

    for hit in hits(index, "settings"):
        [row] = index.sql(
            "SELECT length, lexemes::text FROM code_chunks WHERE id = :i", i=hit.chunk_id
        )
        found = re.search(r"'settings':(\S+)", row.lexemes)
        assert found is not None
        weights = [constants.fields.get(position[-1], 1.0) for position in found[1].split(",")]
        norm = constants.k1 * (1 - constants.b + constants.b * row.length / average)
        idf = Words({("settings",): 2}, total, average).idfs[("settings",)]
        wanted = idf * sum(weights) * (constants.k1 + 1) / (sum(weights) + norm)
        assert hit.score == pytest.approx(wanted, rel=0.1)  # the average length is estimated


def test_a_word_in_a_name_counts_more(index: Pipeline) -> None:
    """Than the same word in a body."""
    assert paths(index, hits(index, "load settings"))[:2] == ["a.py", "b.py"]


def test_prose_finds_other_spellings(index: Pipeline) -> None:
    """A name that is asked for is not respelled."""
    assert paths(index, hits(index, "directories", "natural")) == ["c.go"]
    assert hits(index, "directories", "identifier") == []


def test_the_word_itself_counts_more_than_its_variants(index: Pipeline) -> None:
    """The same words, spelled as they are asked for."""
    found = {hit.chunk_id: hit.score for hit in hits(index, "returns", "natural")}
    plain = {hit.chunk_id: hit.score for hit in hits(index, "return", "natural")}

    [d] = [chunk for chunk in found if chunk not in plain]
    assert found[d] == max(found.values())


def test_what_code_calls_it_counts_too(index: Pipeline) -> None:
    """`unlink` for *remove*, but not where a name is asked for."""
    described = {path: hit.score for path, hit in scored(index, "remove the shelf", "natural")}
    named = {path: hit.score for path, hit in scored(index, "remove shelf", "identifier")}

    assert described["removed.py"] > described["unlinked.py"] > described["escaped.py"]
    assert named["unlinked.py"] == pytest.approx(named["escaped.py"])


def test_a_word_that_code_seldom_has_tells_little(index: Pipeline) -> None:
    """*whether* is only said, *escape* is called; both stand in one chunk."""
    described = dict(scored(index, "whether to escape a shelf", "natural"))
    named = dict(scored(index, "whether escape shelf", "identifier"))

    assert described["escaped.py"].score > described["whether.py"].score
    assert named["escaped.py"].score == pytest.approx(named["whether.py"].score)


def test_where_too_many_chunks_match_those_with_several_words_are_read(
    index: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best stay the best."""
    all_read = hits(index, "parse the path of settings", limit=2)
    monkeypatch.setattr(search.lexical, "AFFORDABLE", 3)

    few_read = hits(index, "parse the path of settings", limit=2)

    assert few_read == all_read


def test_one_rare_word_beats_many_common_ones(index: Pipeline) -> None:
    """Also where only few of the chunks are scored exactly."""
    found = hits(index, "settings filler brare parse path", limit=2)

    assert {*paths(index, found)} == {"a.py", "b.py"}


def test_where_several_words_give_too_little_fewer_do(
    index: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until there are enough, or no more words to leave out."""
    monkeypatch.setattr(search.lexical, "AFFORDABLE", 1)

    found = paths(index, hits(index, "settings arare dir", limit=10))

    assert len(found) == 10
    assert {*found[:3]} == {"a.py", "b.py", "c.go"}


def test_a_word_that_stands_nearly_everywhere_is_looked_for_only_alone(
    index: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside rarer words it would bring nothing but work."""
    monkeypatch.setattr(search.lexical, "AFFORDABLE", 1)

    assert {*paths(index, hits(index, "settings filler"))} == {"a.py", "b.py"}
    assert len(hits(index, "filler", limit=50)) == 50


def test_of_what_stands_everywhere_some_is_as_good_as_all(
    index: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not in a part of the index, which may hold none of them."""
    monkeypatch.setattr(search.lexical, "MOST", 10)

    assert len(hits(index, "filler")) == 10
    assert len(hits(index, "filler", scope=Scope(repository="large"))) == 50


def test_a_small_scope_in_a_large_index_is_read_from_its_own_side(
    index: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the same, with the same scores."""
    scope = Scope(repository="small")
    narrow = hits(index, "parse path", scope=scope, count=len(SMALL))
    monkeypatch.setattr(search.lexical, "NARROW", 0)

    assert narrow == hits(index, "parse path", scope=scope, count=len(SMALL))
    assert {*paths(index, narrow)} == {"a.py", "b.py", "c.go"}


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [
        (Scope(repository="small", language="go"), {"c.go"}),
        (Scope(repository="small", path="*.go"), {"c.go"}),
        (Scope(repository="small", path="deep/*"), set[str]()),
    ],
)
@pytest.mark.parametrize("narrow", [0, 20_000])
def test_a_scope_is_kept_to(
    index: Pipeline, monkeypatch: pytest.MonkeyPatch, scope: Scope, wanted: set[str], narrow: int
) -> None:
    """Whichever side is read first."""
    monkeypatch.setattr(search.lexical, "NARROW", narrow)

    assert {*paths(index, hits(index, "path", scope=scope, count=1))} == wanted


@pytest.mark.parametrize("query", ["", "!!!", "'", "\\", "it's", "a:b & | ! <-> *", "unheard_of"])
def test_no_characters_are_operators(index: Pipeline, query: str) -> None:
    """There is an answer, be it none."""
    assert all(hit.score > 0 for hit in hits(index, query, "natural"))
