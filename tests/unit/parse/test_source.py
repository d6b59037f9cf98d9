"""Measures of a text, against counting it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.parse.source import Source

# long enough to cross the steps in which sizes are summed, with every width of character and space
TEXTS = st.lists(
    st.one_of(
        st.text(max_size=20), st.sampled_from([" " * 900, "x" * 900, "\u3000\n\u2003", "é日"])
    )
).map("".join)


@settings(deadline=None)
@given(TEXTS, st.data())
def test_a_range_weighs_its_visible_characters(text: str, data: st.DataObject) -> None:
    """Between any two characters."""
    source = Source(text)
    a, b = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    start, end = len(text[:a].encode()), len(text[:b].encode())
    visible = "".join(text[a:b].split())

    assert len(visible) == source.weigh(start, end)
    assert (not visible) == source.blank(start, end)


@settings(deadline=None)
@given(TEXTS)
def test_trimming_strips_white_space(text: str) -> None:
    """Of every kind, and nothing else."""
    source = Source(text)

    assert text.strip() == source.text(*source.trim(0, source.size))


@settings(deadline=None)
@given(TEXTS, st.data())
def test_lines_are_those_between_newlines(text: str, data: st.DataObject) -> None:
    """Counted from one; other separators end no line."""
    source = Source(text)
    before = text[: data.draw(st.integers(0, len(text)))]
    line = before.rpartition("\n")[2]
    offset = len(before.encode())

    assert before.count("\n") + 1 == source.line(offset)
    assert offset - len(line.encode()) == source.line_start(offset)
    assert (not line.strip()) == source.starts_line(offset)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 2_000))
def test_a_weight_leads_to_an_offset(text: str, weight: int) -> None:
    """The furthest that holds no more, between two characters."""
    source = Source(text)

    offset = source.offset(0, weight)

    assert source.weigh(0, offset) <= weight
    assert source.data[:offset].decode() == text[: len(source.data[:offset].decode())]
    assert offset == source.size or source.weigh(0, offset) == weight


def test_a_cut_character_is_dropped() -> None:
    """At either end of a range."""
    assert "a" == Source("éaé").text(1, 4)
