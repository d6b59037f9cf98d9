"""From bytes to text, or not."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.discover.decode import decode


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_and_plain_unicode_is_read(encoding: str) -> None:
    """Without the mark."""
    assert decode("größe = '中'\n".encode(encoding)) == "größe = '中'\n"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"\xfe\xff", "utf-16-be"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\x00\x00\xfe\xff", "utf-32-be"),
        (b"\xff\xfe\x00\x00", "utf-32-le"),
    ],
)
def test_both_byte_orders_are_read(mark: bytes, encoding: str) -> None:
    """The mark tells which."""
    assert decode(mark + "naïve".encode(encoding)) == "naïve"


@pytest.mark.parametrize(
    "content",
    [
        b"\x7fELF\x02\x01\x01\x00",
        b"print('x')\x00",
        "text".encode("utf-16-le"),
        b"\xff\xfea\x00\x00\x00b\x00",
        b"\x89PNG\r\n\x1a\n\xff\xd8\xff",
        bytes(range(1, 256)),
        b"\x01\x02\x03\x04" * 10 + b"text " * 50,
        "русский текст".encode("cp1251"),
        b"\xff\xfe" + b"\x00\xd8" * 50,
    ],
)
def test_what_is_no_text_is_refused(content: bytes) -> None:
    """NUL, mostly invalid, or full of control characters."""
    assert decode(content) is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("# Autor: Müller\nx = 1\n".encode("latin-1"), "# Autor: M\ufffdller\nx = 1\n"),
        (b"a\xed\xa0\x80b" + b"c" * 20, "a\ufffd\ufffd\ufffdb" + "c" * 20),
        (b"\x1b[31mred\x1b[0m\x0c\n", "\x1b[31mred\x1b[0m\x0c\n"),
        (b"a\r\nb\rc\n", "a\r\nb\rc\n"),
        (b"", ""),
        (b"x", "x"),
        (b"\xef\xbb\xbf", ""),
    ],
)
def test_mostly_text_is_read(content: bytes, text: str) -> None:
    """Old encodings with a replacement for what they cannot tell; line ends as they are."""
    assert text == decode(content)


@given(st.binary(max_size=200))
@example(b"\xff\xfe\x00\xd8")
def test_whatever_comes_is_storable(content: bytes) -> None:
    """PostgreSQL takes neither NUL nor lone surrogates."""
    text = decode(content)

    assert text is None or "\0" not in text.encode().decode()


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_utf8_is_never_refused(text: str) -> None:
    """Nor changed, but for the mark."""
    assert text.removeprefix("\ufeff") == decode(text.encode())
