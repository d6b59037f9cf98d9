"""Chunks of any text: in order, apart, within the limit, and nothing visible is lost."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ParserCrashedError
from tasks.parse.cuts import CHUNK_CHARS
from tasks.parse.document import ParsedFile
from tasks.parse.languages import LANGUAGES, language_of
from tasks.parse.parse import parse_source
from tasks.parse.sandbox import Sandbox

NEVER = float("inf")
SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.txt"))
LIBRARY = Path(sysconfig.get_path("stdlib"))
# what grammars trip over, in any order: halves of constructs, closers without openers, long runs
FRAGMENTS = [
    *"(){}[]<>;:,.=#\"'`\\@$%&*-+/|!?~^\n\t ",
    *("def f():\n    ", "class A:\n", "class A {", "function f() {", "fn f() {", "struct s {"),
    *(
        "# h\n",
        "## h\n",
        "===\n",
        "---\n",
        "```\n",
        "<div>",
        "</div>",
        "<?php ",
        "?>",
        "$(",
        "<<A\n",
    ),
    *(
        "/* ",
        " */",
        "// x\n",
        '"""',
        'r#"',
        "#if X\n",
        "#endif\n",
        "impl A for B {",
        "namespace a {",
    ),
    *("CREATE TABLE t (", "key: value\n", "- ", "[a.b]\n", '{"a": ', "x = 1\n", "return x;\n"),
    *(
        "\r\n",
        "\u00a0",
        "\u2028",
        "é",
        "日本",
        "\U0001f600",
        "\0",
        "\ufeff",
        "word " * 400,
        "x" * 3000,
    ),
]


def check(source: str, parsed: ParsedFile) -> None:
    """Everything that is promised of chunks, and what the parent would refuse."""
    data = source.encode()
    end = 0
    for chunk in parsed.chunks:
        assert end <= chunk.start_byte < chunk.end_byte
        assert not data[end : chunk.start_byte].decode().strip()
        text = data[chunk.start_byte : chunk.end_byte].decode()
        assert 0 < len("".join(text.split())) <= CHUNK_CHARS
        assert data.count(b"\n", 0, chunk.start_byte) + 1 == chunk.start_line
        assert data.count(b"\n", 0, chunk.end_byte - 1) + 1 == chunk.end_line
        end = chunk.end_byte
    assert not data[end:].decode().strip()
    assert parsed == ParsedFile.from_plain(parsed.to_plain(), source=data)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Where a grammar may crash."""
    with Sandbox(parse_seconds=30, memory_mib=1024, files_per_process=10_000) as sandbox:
        yield sandbox


def check_sandboxed(source: str, language: str, sandbox: Sandbox) -> None:
    """`check`, unless the grammar itself dies: Bash's does of `{` before U+10FFFF."""
    try:
        parsed = sandbox.parse(source, language)
    except ParserCrashedError as exc:
        assert "SIGSEGV" in str(exc)  # noqa: PT017 - an error of ours would exit with a traceback
    else:
        check(source, parsed)


@settings(max_examples=300, deadline=None)
@given(source=st.text(max_size=2_000), language=st.sampled_from(LANGUAGES))
def test_no_text_is_lost(source: str, language: str, sandbox: Sandbox) -> None:
    """Whatever it is, in whatever language it claims to be."""
    check_sandboxed(source, language, sandbox)


@settings(max_examples=300, deadline=None)
@given(
    fragments=st.lists(st.sampled_from(FRAGMENTS), max_size=60),
    language=st.sampled_from(LANGUAGES),
)
def test_no_broken_code_is_lost(fragments: list[str], language: str, sandbox: Sandbox) -> None:
    """Halves of constructs in any order."""
    check_sandboxed("".join(fragments), language, sandbox)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), sample=st.sampled_from(SAMPLES))
def test_no_mutilated_file_is_lost(data: st.DataObject, sample: Path, sandbox: Sandbox) -> None:
    """A real file, cut short, with a piece of it repeated and one taken out."""
    text = sample.read_text()
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 3)))
    source = text[:b] + text[a:b] * data.draw(st.integers(0, 20)) + text[c:]

    check_sandboxed(source, language_of(sample.stem), sandbox)


@pytest.mark.parametrize("name", ["argparse.py", "ast.py", "turtle.py", "pydoc_data/topics.py"])
def test_no_real_file_is_lost(name: str) -> None:
    """Large modules of the standard library."""
    source = (LIBRARY / name).read_text()

    check(source, parse_source(source, "python", NEVER))


@pytest.mark.parametrize(
    ("language", "opening", "closing"),
    [("python", "(", ")"), ("javascript", "[", "]"), ("c", "{", "}"), ("json", "[", "]")],
)
def test_deep_nesting_is_survived(language: str, opening: str, closing: str) -> None:
    """Without recursion in Python, and without the functions of tree-sitter that recurse."""
    source = opening * 20_000 + "1" + closing * 20_000

    check(source, parse_source(source, language, NEVER))


@pytest.mark.parametrize("count", [10, 30_000])
def test_nested_definitions_are_survived(count: int) -> None:
    """Each in the one before."""
    source = "function f() {\n" * count + "}" * count

    check(source, parse_source(source, "javascript", NEVER))


def test_a_file_of_symbols_is_capped() -> None:
    """It loses symbols, never text."""
    source = "f();\n" * 120_000 + "function late() {}\n"

    parsed = parse_source(source, "javascript", NEVER)

    check(source, parsed)
    assert [] == parsed.symbols
