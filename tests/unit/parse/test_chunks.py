"""Chunks: one per definition, big ones in parts, small ones together."""

from tasks.parse.chunks import SMALL_CHARS, WHOLE_CHARS
from tasks.parse.cuts import CHUNK_CHARS
from tasks.parse.document import Chunk
from tasks.parse.parse import parse_source

NEVER = float("inf")


def chunks_of(source: str, language: str = "python") -> list[Chunk]:
    """The chunks of a source."""
    return parse_source(source, language, NEVER).chunks


def text_of(chunk: Chunk, source: str) -> str:
    """A chunk's text."""
    return source.encode()[chunk.start_byte : chunk.end_byte].decode()


def size_of(text: str) -> int:
    """Characters that are not white space."""
    return len("".join(text.split()))


def function(name: str, chars: int, indent: str = "") -> str:
    """A Python function of about so many visible characters."""
    lines = "".join(f"{indent}    value_{n:04} = {n:04}\n" for n in range(chars // 15))
    return f"{indent}def {name}(self):\n{lines}"


def described(chunks: list[Chunk]) -> list[tuple[str, str]]:
    """Kinds and name paths."""
    return [(chunk.kind, chunk.name_path) for chunk in chunks]


def test_each_function_is_a_chunk() -> None:
    """Of a size that stands alone."""
    source = function("first", 400) + "\n\n" + function("second", 500)

    assert [("function", "first"), ("function", "second")] == described(chunks_of(source))


def test_small_siblings_share_a_chunk() -> None:
    """It is named after the first, and has the signatures of all."""
    source = "".join(f'def tiny_{n}():\n    """Doc {n}."""\n\n\n' for n in range(3))

    (chunk,) = chunks_of(source)

    assert ("function", "tiny_0", "tiny_0") == (chunk.kind, chunk.name, chunk.name_path)
    assert "def tiny_0()\ndef tiny_1()\ndef tiny_2()" == chunk.signature
    assert "Doc 0.\nDoc 1.\nDoc 2." == chunk.docstring


def test_small_siblings_fill_chunks_evenly() -> None:
    """Many of them make several chunks, none of them a crumb."""
    source = "".join(function(f"tiny_{n:02}", SMALL_CHARS - 60) + "\n" for n in range(20))

    sizes = [size_of(text_of(chunk, source)) for chunk in chunks_of(source)]

    assert min(sizes) > CHUNK_CHARS / 4
    assert len(sizes) <= 4


def test_imports_and_constants_share_a_chunk() -> None:
    """Apart from the function behind them; a real definition names the chunk it is in."""
    source = "import os\nimport sys\n\nLIMIT = 10\n\n\ndef tiny():\n    pass\n"

    (chunk,) = chunks_of(source)

    assert ("function", "tiny") == (chunk.kind, chunk.name)
    assert "LIMIT = 10\ndef tiny()" == chunk.signature


def test_a_small_gap_joins_its_neighbour() -> None:
    """Imports or a comment between definitions make no chunk, nor name one."""
    source = (
        "import os\nimport sys\n\n\n"
        + function("first", 400)
        + "\n\n# ---- a part of the file that starts here and goes on to its end ----\n\n\n"
        + function("second", 400)
    )

    assert [("function", "first"), ("function", "second")] == described(chunks_of(source))


def test_fields_between_methods_join_the_next_method() -> None:
    """It names the chunk."""
    methods = [function(name, 500, "    ") for name in ("one", "two")]
    source = f"class Big:\n{methods[0]}\n    field: int = 1\n\n{methods[1]}"

    chunks = chunks_of(source)

    assert ["Big.one", "Big.two"] == [chunk.name_path for chunk in chunks]
    assert text_of(chunks[1], source).startswith("    field")


def test_a_package_comment_documents_the_first_chunk() -> None:
    """In Go it stands above the package clause."""
    body = "\tuse(1)\n" * 60
    source = f"// Package a does.\n//\n// All.\npackage a\n\n// F does.\nfunc F() {{\n{body}}}\n"

    (chunk,) = chunks_of(source, "go")

    assert "F" == chunk.name
    assert "Package a does.\n\nAll.\nF does." == chunk.docstring


def test_a_small_class_stays_whole() -> None:
    """With all its methods, once."""
    source = "class Small:\n" + function("one", 200, "    ") + "\n" + function("two", 200, "    ")
    assert size_of(source) < WHOLE_CHARS

    (chunk,) = chunks_of(source)

    assert ("class", "Small") == (chunk.kind, chunk.name_path)
    assert "class Small\ndef one(self)\ndef two(self)" == chunk.signature


def test_a_class_gives_a_header_and_its_members() -> None:
    """The header holds docstring and fields; no text comes twice."""
    source = (
        f'class Big(Base):\n    """{"What it is for. " * 20}"""\n\n    field: int = 1\n\n'
        + function("one", 300, "    ")
        + "\n"
        + function("two", 300, "    ")
    )

    header, one, two = chunks_of(source)

    assert [("class", "Big"), ("method", "Big.one"), ("method", "Big.two")] == described(
        [header, one, two]
    )
    assert text_of(header, source).rstrip().endswith("field: int = 1")
    assert header.docstring.startswith("What it is for.")
    assert "" == one.docstring


def test_members_are_cut_recursively() -> None:
    """A class in a class, and what stands behind it."""
    inner = "    class Inner:\n" + "".join(function(f"m{n}", 300, " " * 8) for n in range(3))
    source = "class Outer:\n" + inner + function("last", 300, "    ")

    paths = [chunk.name_path for chunk in chunks_of(source)]

    assert ["Outer.Inner.m0", "Outer.Inner.m1", "Outer.Inner.m2", "Outer.last"] == paths[-4:]


def test_a_big_function_is_cut_between_statements() -> None:
    """All parts carry its name and signature; only the first carries its docstring."""
    source = function("long", 5_000).replace("\n", '\n    """Doc."""\n', 1)

    parts = chunks_of(source)

    assert {("function", "long", "def long(self)")} == {
        (part.kind, part.name_path, part.signature) for part in parts
    }
    assert ["Doc.", *[""] * (len(parts) - 1)] == [part.docstring for part in parts]
    for part in parts[1:]:
        assert text_of(part, source).startswith("    value_")


def test_a_big_function_is_not_left_with_a_crumb() -> None:
    """The last two parts share what is left."""
    source = function("long", 1_230)

    sizes = [size_of(text_of(part, source)) for part in chunks_of(source)]

    assert len(sizes) == 2
    assert min(sizes) >= 250


def test_a_cut_prefers_the_shallow_place() -> None:
    """A loop's body stays together where the chunk before it can end earlier."""
    loop = "    for item in items:\n" + "".join(f"        use({n:04})\n" for n in range(50))
    source = function("long", 900) + loop

    before, behind = chunks_of(source)

    assert text_of(behind, source).lstrip().startswith("for item")
    assert "use(" not in text_of(before, source)


def test_functions_in_a_big_function_are_chunks() -> None:
    """A factory's functions are found by their own names."""
    source = "def make():\n" + function("first", 600, "    ") + function("second", 600, "    ")

    found = described(chunks_of(source))

    assert ("function", "make.first") in found
    assert ("function", "make.second") in found


def test_what_stands_above_a_definition_belongs_to_it() -> None:
    """Comments and decorators."""
    source = (
        function("first", 400)
        + "\n\n# about the second\n@decorated\n@twice(1)\n"
        + function("second", 400)
    )

    _, second = chunks_of(source)

    assert text_of(second, source).startswith("# about the second\n@decorated")
    assert "about the second" == second.docstring
    assert "def second(self)" == second.signature


def test_a_comment_apart_is_no_documentation() -> None:
    """An empty line parts them."""
    source = "# a heading of sorts\n\n" + function("first", 400)

    assert "" == chunks_of(source)[-1].docstring


def test_a_comment_at_the_end_of_a_line_stays_there() -> None:
    """It belongs to the definition before it."""
    source = "int first = 1; /* about the first */\nint second = 2; // about the second\n"
    source += "int f(void)\n{\n" + "    use(1);\n" * 60 + "}\n"

    constants, definition = chunks_of(source, "c")

    assert text_of(constants, source).endswith("// about the second")
    assert "" == definition.docstring


def test_a_closing_bracket_stays_with_what_it_closes() -> None:
    """No chunk is made of brackets, even behind a full one."""
    methods = "".join(f"  method{n}() {{\n" + "    use(12345);\n" * 90 + "  }\n" for n in range(3))
    source = f"namespace a {{\nclass Big {{\n{methods}}}\n}}\n"

    chunks = chunks_of(source, "typescript")

    assert text_of(chunks[-1], source).endswith("  }\n}\n}")
    assert "method2()" == chunks[-1].signature
    assert all("use(12345)" in text_of(chunk, source) for chunk in chunks)


def test_a_file_with_a_syntax_error_has_chunks() -> None:
    """What is whole is still named."""
    source = function("first", 400) + "\n\ndef broken(:\n    ???\n\n\n" + function("second", 400)

    parsed = parse_source(source, "python", NEVER)

    assert parsed.has_errors
    assert {"first", "second"} <= {chunk.name for chunk in parsed.chunks}


def test_a_file_of_another_language_is_cut_at_lines() -> None:
    """A grammar that recognises nothing does not lose anything."""
    source = "((((\n" * 20_000

    parsed = parse_source(source, "javascript", NEVER)

    assert {"lines"} == {chunk.kind for chunk in parsed.chunks}
    assert size_of(source) == sum(size_of(text_of(c, source)) for c in parsed.chunks)


def test_a_chunk_keeps_the_indentation_of_its_first_line() -> None:
    """So that it reads as it does in its file."""
    source = "class Big:\n" + function("one", 400, "    ") + function("two", 400, "    ")

    assert text_of(chunks_of(source)[-1], source).startswith("    def two")


def test_a_module_docstring_documents_the_first_chunk() -> None:
    """Nobody else would hold it."""
    source = '"""What the module does."""\n\nimport os\n\n\n' + function("first", 400)

    assert "What the module does." == chunks_of(source)[0].docstring


def test_an_empty_file_has_no_chunks() -> None:
    """Nor has one of white space."""
    assert [] == chunks_of("")
    assert [] == chunks_of(" \n\t\u00a0\n")
    assert [] == chunks_of("\n \n", "text")
