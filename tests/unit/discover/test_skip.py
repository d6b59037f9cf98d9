"""Which files are left out, and the reason that stays the same for ever."""

import stat
import typing
from pathlib import Path

import pytest

from tasks.discover import skip
from tasks.discover.skip import Reason, by_content, by_entry, by_text

MAX_BYTES = 1_000
FILE = stat.S_IFREG | 0o644


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (0o120000, "symlink"),
        (stat.S_IFLNK | 0o777, "symlink"),
        (0o160000, "submodule"),
        (stat.S_IFDIR | 0o755, "submodule"),
        (stat.S_IFIFO | 0o644, "special"),
        (stat.S_IFSOCK | 0o644, "special"),
        (stat.S_IFCHR | 0o600, "special"),
        (stat.S_IFBLK | 0o600, "special"),
        (0o100644, None),
        (0o100755, None),
        (0o100664, None),
    ],
)
def test_only_regular_files_are_read(mode: int, reason: Reason | None) -> None:
    """Modes of stat and of git."""
    assert reason == by_entry(b"a.py", mode, 1, max_bytes=MAX_BYTES)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"caf\xe9.py", "path_not_utf8"),
        (b"\xed\xa0\x80.py", "path_not_utf8"),
        ("ü/中.py".encode(), None),
        (b"a\nb.py", None),
        (b"-rf", None),
        (b"a%b_'\"\x1b.py", None),
        (b"a" * 1_024, None),
        (b"a" * 1_025, "path_too_long"),
        (b"d/" * 4_500 + b"a.py", "path_too_long"),
    ],
)
def test_a_path_must_be_storable(path: bytes, reason: Reason | None) -> None:
    """Odd is fine; not UTF-8 or endless is not."""
    assert reason == by_entry(path, FILE, 1, max_bytes=MAX_BYTES)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("web/node_modules/left-pad/index.js", "vendored"),
        ("vendor/github.com/pkg/errors/errors.go", "vendored"),
        ("third_party/zlib/inflate.c", "vendored"),
        ("src/pip/_vendor/idna/core.py", "vendored"),
        (".venv/lib/python3.12/site.py", "vendored"),
        ("lib/python3.12/site-packages/six.py", "vendored"),
        ("vendor", None),
        ("src/vendor.py", None),
        ("src/vendoring/rules.py", None),
        ("venv/__init__.py", None),
        ("dist/main.py", None),
        ("env/settings.py", None),
        ("build/rules.py", None),
        ("external/api.py", None),
        ("package-lock.json", "lock_file"),
        ("api/Cargo.lock", "lock_file"),
        ("go.sum", "lock_file"),
        ("uv.lock", "lock_file"),
        ("go.mod", None),
        ("package.json", None),
        ("lock.py", None),
        ("api/users_pb2.py", "generated"),
        ("api/users.pb.go", "generated"),
        ("Form1.Designer.cs", "generated"),
        ("src/__generated__/query.ts", "generated"),
        ("pkg/__pycache__/a.cpython-311.pyc", "generated"),
        ("pb.go", None),
        ("designer.cs", None),
        ("static/jquery.min.js", "minified"),
        ("static/site-min.css", "minified"),
        ("min.js", None),
        ("logo.PNG", "binary"),
        ("lib.so", "binary"),
        ("data/model.safetensors", "binary"),
        ("png", None),
        ("template.pt", None),
        ("logo.svg", "unsupported"),
        ("table.csv", "unsupported"),
        ("notebook.ipynb", "unsupported"),
        ("bundle.js.map", "unsupported"),
        ("locale/de.po", "unsupported"),
        ("server.pem", "unsupported"),
        ("map", None),
        (".github/workflows/ci.yml", None),
        (".gitignore", None),
        (".env.example", None),
        ("Makefile", None),
        ("docs/index.rst", None),
        ("page.html", None),
        ("pom.xml", None),
    ],
)
def test_a_path_tells_what_need_not_be_read(path: str, reason: Reason | None) -> None:
    """Folders count as whole parts, names exactly or by ending."""
    assert reason == by_entry(path.encode(), FILE, 1, max_bytes=MAX_BYTES)


@pytest.mark.parametrize(
    ("size", "reason"),
    [(0, "empty"), (1, None), (MAX_BYTES, None), (MAX_BYTES + 1, "too_large"), (-1, "too_large")],
)
def test_size_has_two_ends(size: int, reason: Reason | None) -> None:
    """An unknown size is one that a server found too large to send."""
    assert reason == by_entry(b"a.py", FILE, size, max_bytes=MAX_BYTES)


@pytest.mark.parametrize("size", [0, -1, MAX_BYTES * 2])
def test_a_name_says_more_than_a_size(size: int) -> None:
    """So that it does not matter whether a server tells the size."""
    assert by_entry(b"a.png", FILE, size, max_bytes=MAX_BYTES) == "binary"


def test_an_lfs_pointer_is_no_content() -> None:
    """The file only names what Git LFS holds."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"

    assert by_content(pointer) == "lfs_pointer"


def test_a_text_about_lfs_is_content() -> None:
    """A pointer is small and starts with its version."""
    line = b"version https://git-lfs.github.com/spec/v1\n"

    assert by_content(b"The first line is:\n" + line) is None
    assert by_content(line * 50) is None


@pytest.mark.parametrize("text", ["", " ", "\n\n\t\r\n", "\u00a0\u2003"])
def test_white_space_is_empty(text: str) -> None:
    """There is nothing to find."""
    assert by_text("a.py", text) == "empty"


@pytest.mark.parametrize(
    "head",
    [
        "// Code generated by protoc-gen-go. DO NOT EDIT.",
        "// Code generated by MockGen. DO NOT EDIT.\n// Source: a.go\n",
        "#!/usr/bin/env python\n# Generated by the protocol buffer compiler.  DO NOT EDIT!",
        "/**\n * @generated SignedSource<<0123>>\n */",
        "# This file is automatically @generated by Cargo.",
        "/* Generated by Cython 3.0.0 */",
        "/**\n * Autogenerated by Thrift Compiler (0.19.0)\n */",
        "<!-- Generated by pkgdown: do not edit by hand -->",
        "// GENERATED CODE -- DO NOT EDIT!",
        "/* A Bison parser, made by GNU Bison 3.8.2.  */",
        "\n" * 30 + "// Code generated by x. DO NOT EDIT.",
    ],
)
def test_a_generator_s_own_mark_counts(head: str) -> None:
    """In a comment near the top."""
    assert by_text("a.go", head + "\nfunc main() {}\n") == "generated"


@pytest.mark.parametrize(
    "text",
    [
        'MARK = "// Code generated by x. DO NOT EDIT."\n',
        "if line.startswith('@generated'):\n    pass\n",
        "# Tokens, generated from Grammar/Tokens by a script; see the devguide\nNAME = 1\n",
        '"""Python Character Mapping Codec cp1250 generated from CP1250.TXT with gencodec.py."""\n',
        "// The code generated here is cached.\n",
        "x = 1\n" * 60 + "// Code generated by x. DO NOT EDIT.\n",
    ],
)
def test_code_about_generators_is_not_generated(text: str) -> None:
    """Nor what only mentions a script."""
    assert by_text("a.py", text) is None


@pytest.mark.parametrize("path", ["app.js", "app.mjs", "APP.JS", "site.css"])
def test_long_lines_make_a_script_minified(path: str) -> None:
    """On average, as linguist measures."""
    assert by_text(path, "a(1);" * 200 + "\n" + "b(2);" * 30 + "\n") == "minified"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("app.js", "call(argument);\n" * 1_000),
        ("app.js", "x(" + "1," * 200 + ")\n"),
        ("app.py", ("value = " + "x" * 200 + "\n") * 50),
        ("README.md", ("A paragraph on one line. " * 30 + "\n") * 20),
        ("regexp_test.go", "func f() {}\n" * 3_000 + "x" * 35_000 + "\n"),
    ],
)
def test_a_few_long_lines_do_not(path: str, text: str) -> None:
    """Nor long lines in prose and other languages."""
    assert by_text(path, text) is None


def test_one_endless_line_is_minified_whatever_it_is() -> None:
    """Nobody wrote it line by line."""
    assert by_text("data.json", '{"a": [' + '"b", ' * 500 + '"c"]}\n') == "minified"


def test_a_table_of_numbers_is_data() -> None:
    """Almost nothing but digits."""
    assert by_text("values.txt", "0.12345678 0.87654321\n" * 1_000) == "unsupported"


def test_code_with_many_numbers_is_code() -> None:
    """Tests of numerical code have more digits than letters."""
    assert by_text("test_erf.py", "ae(erf(0.12345678), 0.87654321)\n" * 1_000) is None


def test_no_source_of_the_standard_library_is_called_generated_or_minified() -> None:
    """The rules are tuned on real trees; this one is on every machine."""
    library = Path(typing.__file__).parent
    wrong = [
        (path.name, reason)
        for path in sorted(library.glob("*.py")) + sorted(library.glob("asyncio/*.py"))
        if (reason := by_text(path.name, path.read_text(encoding="utf-8", errors="replace")))
    ]

    assert [] == wrong


def test_the_rules_do_not_skip_themselves() -> None:
    """They quote every marker."""
    assert by_text("skip.py", Path(skip.__file__).read_text()) is None
