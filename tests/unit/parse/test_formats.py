"""Chunks of formats that are no programs: prose, data, style sheets, plain text."""

from tasks.parse.cuts import CHUNK_CHARS
from tasks.parse.document import Chunk
from tasks.parse.parse import parse_source

NEVER = float("inf")
PARAGRAPH = "Some words that say a little. " * 10 + "\n\n"


def chunks_of(source: str, language: str) -> list[Chunk]:
    """The chunks of a source."""
    return parse_source(source, language, NEVER).chunks


def text_of(chunk: Chunk, source: str) -> str:
    """A chunk's text."""
    return source.encode()[chunk.start_byte : chunk.end_byte].decode()


def test_markdown_is_cut_by_headings() -> None:
    """A section is named by its heading, its path holds those above."""
    source = f"# Guide\n\n{PARAGRAPH}## Install ##\n\n{PARAGRAPH}## Use\n\n{PARAGRAPH}"
    source += f"# Licence\n\n{PARAGRAPH}"

    chunks = chunks_of(source, "markdown")

    assert ["Guide", "Guide > Install", "Guide > Use", "Licence"] == [c.name_path for c in chunks]
    assert {("section", "")} == {(chunk.kind, chunk.docstring) for chunk in chunks}


def test_underlined_headings_count() -> None:
    """Both forms of Markdown's headings nest in each other."""
    source = f"Guide\n=====\n\n{PARAGRAPH}Use\n---\n\n{PARAGRAPH}### Deep\n\n{PARAGRAPH * 3}"

    paths = [chunk.name_path for chunk in chunks_of(source, "markdown")]

    assert ["Guide", "Guide > Use", "Guide > Use > Deep"] == paths


def test_a_hash_in_a_code_block_is_no_heading() -> None:
    """Nor is one in a quote."""
    source = f"# Guide\n\n```sh\n# not this\n```\n\n> # nor this\n\n{PARAGRAPH}"

    assert ["Guide"] == [chunk.name for chunk in chunks_of(source, "markdown")]


def test_a_long_section_is_cut_between_its_blocks() -> None:
    """All parts are named by the heading."""
    source = "# Guide\n\n" + PARAGRAPH * 12

    chunks = chunks_of(source, "markdown")

    assert len(chunks) > 2
    assert {"Guide"} == {chunk.name for chunk in chunks}
    assert all(text_of(chunk, source).endswith("little.") for chunk in chunks)


def test_json_is_cut_by_its_keys() -> None:
    """Small ones share a chunk, which is named by the first."""
    words = "some words that say a little about it, and some more"
    source = "{\n" + ",\n".join(f'  "key_{n}": "{words}"' for n in range(10)) + "\n}"

    (chunk,) = chunks_of(source, "json")

    assert ("block", "key_0", "key_0") == (chunk.kind, chunk.name, chunk.name_path)
    assert source == text_of(chunk, source)


def test_a_big_value_is_cut_in_parts_of_its_key() -> None:
    """Wherever a part starts, its key names it."""
    entries = ",\n".join(f'    "package-{n:03}": "^1.0.{n}"' for n in range(200))
    source = f'{{\n  "dependencies": {{\n{entries}\n  }}\n}}'

    chunks = chunks_of(source, "json")

    assert len(chunks) > 3
    assert {"dependencies"} == {chunk.name for chunk in chunks}


def test_a_line_of_numbers_is_cut() -> None:
    """Data without lines keeps to the limit."""
    source = "[" + ",".join(str(n) for n in range(20_000)) + "]"

    sizes = [len("".join(text_of(c, source).split())) for c in chunks_of(source, "json")]

    assert max(sizes) <= CHUNK_CHARS
    assert len(source) == sum(sizes)


def test_each_yaml_document_is_cut_apart() -> None:
    """Keys of one are not mixed with those of the next."""
    spec = "".join(f"  setting_{n:02}: some value of some length\n" for n in range(30))
    source = "".join(f"kind: {kind}\nspec:\n{spec}---\n" for kind in ("Pod", "Service"))

    texts = [text_of(chunk, source) for chunk in chunks_of(source, "yaml")]

    assert not any("Pod" in text and "Service" in text for text in texts)


def test_toml_is_cut_by_its_tables() -> None:
    """A table is named by its heading."""
    rows = "".join(f"setting_{n:02} = 'some value of some length'\n" for n in range(30))
    source = f"[tool.ruff]\n{rows}\n[[servers]]\n{rows}"

    names = [chunk.name for chunk in chunks_of(source, "toml")]

    assert ["tool.ruff", "servers"] == list(dict.fromkeys(names))


def test_css_is_cut_by_its_rules() -> None:
    """A rule is named by its selectors, one in a media query by both."""
    body = "".join(f"  property-{n:02}: some value;\n" for n in range(40))
    source = f".first > a {{\n{body}}}\n@media print {{\n .second {{\n{body} }}\n}}\n"

    paths = [chunk.name_path for chunk in chunks_of(source, "css")]

    assert [".first > a", "@media print > .second"] == paths


def test_html_is_cut_by_its_elements() -> None:
    """Chunks begin with an element and have no name."""
    source = "<html><body>\n" + "<p>Some words that say a little.</p>\n" * 80 + "</body></html>"

    chunks = chunks_of(source, "html")

    assert len(chunks) > 1
    assert {None} == {chunk.name for chunk in chunks}
    assert all(text_of(chunk, source).startswith("<") for chunk in chunks)


def test_sql_is_cut_by_its_statements() -> None:
    """Named ones by their names, each with its semicolon."""
    columns = ",\n".join(f"  column_{n:02} integer NOT NULL" for n in range(20))
    source = "".join(f"-- Table {n}.\nCREATE TABLE t{n} (\n{columns}\n);\n\n" for n in range(3))

    chunks = chunks_of(source, "sql")

    assert [("table", "t0"), ("table", "t1"), ("table", "t2")] == [(c.kind, c.name) for c in chunks]
    assert all(text_of(chunk, source).endswith(");") for chunk in chunks)
    assert "Table 1." == chunks[1].docstring


def test_text_is_cut_between_paragraphs() -> None:
    """Rather than inside one."""
    source = PARAGRAPH * 20

    chunks = chunks_of(source, "text")

    assert {("lines", None, "")} == {(c.kind, c.name, c.name_path) for c in chunks}
    assert all(text_of(chunk, source).endswith("little.") for chunk in chunks)


def test_one_huge_line_is_cut_between_words() -> None:
    """Where it has any."""
    source = "word another third " * 500

    texts = [text_of(chunk, source) for chunk in chunks_of(source, "text")]

    assert {"word", "another", "third"} == {word for text in texts for word in text.split()}


def test_a_line_without_words_is_cut_at_characters() -> None:
    """Never inside one."""
    source = "é" * 3_000

    chunks = chunks_of(source, "text")

    assert source == "".join(text_of(chunk, source) for chunk in chunks)
    assert max(chunk.end_byte - chunk.start_byte for chunk in chunks) <= 2 * CHUNK_CHARS
