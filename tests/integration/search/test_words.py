"""How common words are in the index, before there are statistics and with them."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import event

from search.words import Spellings, Vocabulary, Words
from tests.harness import Pipeline

FILES = 300
WORDS: Sequence[Spellings] = [
    ("common",),
    ("third",),
    ("lonely",),
    ("absent",),
    ("third", "lonely", "missing"),
]
IndexFiles = Callable[[str, dict[str, str]], None]


@pytest.fixture(scope="module")
def many(shared_pipeline: Pipeline, index_files: IndexFiles) -> Pipeline:
    """Files that all hold one word, a third of them a second one, one of them a third."""
    index_files(
        "many",
        {
            f"{n}.py": f"common = {n}" + " + third" * (n % 3 == 0) + " + lonely" * (n == 7)
            for n in range(FILES)
        },
    )
    return shared_pipeline


@pytest.fixture
def statements(many: Pipeline) -> Iterator[list[str]]:
    """The statements of this test."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        found.append(statement)

    engine = many.runtime.database._engine
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def ask(
    pipeline: Pipeline, vocabulary: Vocabulary | None = None, words: Sequence[Spellings] = WORDS
) -> Words:
    """What is known of the words."""
    with pipeline.runtime.database.reading() as connection:
        return (vocabulary or Vocabulary()).known(connection, words)


@pytest.mark.parametrize("analyzed", [False, True])
def test_words_are_counted(many: Pipeline, analyzed: bool) -> None:
    """The rarest come first; what stands nowhere is left out, as a word and as a variant."""
    if analyzed:
        many.sql("ANALYZE code_chunks")

    found = ask(many)

    assert list(found.frequencies.items()) == [
        (("lonely",), 1),
        (("third",), FILES // 3),
        (("third", "lonely"), FILES // 3 + 1),
        (("common",), FILES),
    ]
    assert found.chunks == FILES


def test_the_length_of_an_average_chunk_is_estimated(many: Pipeline) -> None:
    """From the commonest lengths and the quantiles of the others."""
    [(measured,)] = many.sql("SELECT avg(length)::float FROM code_chunks")

    many.sql("ANALYZE code_chunks")

    assert ask(many).length == pytest.approx(measured, rel=0.05)


def test_what_is_known_is_not_asked_for_again(many: Pipeline, statements: list[str]) -> None:
    """Within a minute."""
    many.sql("ANALYZE code_chunks")
    vocabulary = Vocabulary()
    first = ask(many, vocabulary, [("common",), ("lonely",)])
    statements.clear()

    assert ask(many, vocabulary, [("common",), ("lonely",)]) == first
    assert statements == []


def test_a_word_that_just_came_is_known_at_once(many: Pipeline, index_files: IndexFiles) -> None:
    """That nothing held it is not kept in mind."""
    many.sql("ANALYZE code_chunks")
    vocabulary = Vocabulary()
    assert not ask(many, vocabulary, [("newcomer",)]).frequencies

    index_files("more", {"new.py": "newcomer = 1"})

    assert ask(many, vocabulary, [("newcomer",)]).frequencies == {("newcomer",): 1}


def test_a_rare_word_tells_more() -> None:
    """The value is Lucene's; a word in every chunk still counts for something."""
    words = Words({("rare",): 1, ("common",): 99}, chunks=99, length=10.0)

    assert words.idfs[("rare",)] == pytest.approx(math.log(1 + 98.5 / 1.5))
    assert 0 < words.idfs[("common",)] < 0.01


def test_more_hits_than_chunks_are_no_error() -> None:
    """Statistics may be older than the table."""
    assert Words({("word",): 50}, chunks=10, length=1.0).idfs[("word",)] > 0
