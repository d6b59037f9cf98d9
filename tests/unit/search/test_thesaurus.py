"""What words of a description mean in code."""

from importlib import resources

from search.thesaurus import meaning


def test_code_has_some_words_of_its_description_more_often_than_others() -> None:
    """`parse` is written; `given` and `specified` are only said."""
    assert meaning("parse").chance > 0.5
    assert meaning("given").chance < 0.1
    assert meaning("specified").chance < 0.2


def test_words_stand_for_others() -> None:
    """What describes a function need not be what its code calls."""
    related = dict(meaning("remove").related)

    assert {"del", "pop", "unlink"} <= related.keys()
    assert all(0 < share <= 1 for share in related.values())


def test_nothing_is_certain() -> None:
    """The odds of every word are finite."""
    text = resources.files("search").joinpath("thesaurus.txt").read_text("utf-8")
    words = [line.split()[0] for line in text.splitlines() if not line.startswith("#")]

    assert len({*words}) == len(words) > 4_000
    assert all(0 < meaning(word).chance < 1 for word in words)
    assert all(0 < share <= 1 for word in words for _, share in meaning(word).related)


def test_of_an_unknown_word_nothing_is_claimed() -> None:
    """It has the average chance."""
    unknown = meaning("gzjqx")

    assert unknown.related == ()
    assert 0.3 < unknown.chance < 0.6
    assert unknown == meaning("*")
