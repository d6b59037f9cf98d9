"""Names, scopes and signatures where languages differ from the simple case."""

import pytest

from tasks.parse.document import (
    NAME_CHARS,
    NAME_PATH_CHARS,
    QUALIFIER_CHARS,
    SIGNATURE_CHARS,
    ParsedFile,
)
from tasks.parse.parse import parse_source


def parsed(source: str, language: str) -> ParsedFile:
    """A parsed file."""
    return parse_source(source, language, float("inf"))


PATHS = {
    "a nested template": ("cpp", "void A<B<int>>::f() {}", "method A.f"),
    "a namespace": ("cpp", "namespace n { void f() {} }", "function f"),
    "an operator": ("cpp", "bool A::operator<(A b) { return 1; }", "method A.operator<"),
    "a pointer's function": ("c", "char **f(void) { return 0; }", "function f"),
    "a pointer receiver": ("go", "package a\nfunc (x *T[K]) F() {}", "method T.F"),
    "a scoped impl": ("rust", "impl a::T<u8> { fn f() {} }", "method T.f"),
    "an impl for a reference": ("rust", "impl X for &T { fn f() {} }", "method T.f"),
    "a method of an object": ("javascript", "const a = { f() {} };", "constant a, method a.f"),
    "an assigned function": ("javascript", "a.b.f = function () {};", "function a.b.f"),
    "an exported function": ("javascript", "module.exports.f = () => 1;", "function f"),
    "a property of this": (
        "javascript",
        "class A { constructor() { this.f = () => 1; } }",
        "class A, method A.constructor, function A.constructor.f",
    ),
    "a quoted name": ("javascript", "const a = { 'b c': () => 1 };", "constant a, method a.b c"),
    "a local function": ("python", "def f():\n    def g(): pass", "function f, function f.g"),
    "a local constant": ("javascript", "function f() { const A = 1; }", "function f"),
    "an imported constant": ("javascript", "const fs = require('fs');", ""),
    "a name that is missing": ("python", "def (): pass\nclass : pass", ""),
    "a method of a module": ("ruby", "module A\n  def f; end\nend", "module A, method A.f"),
    "a typedef of a struct": ("c", "typedef struct s { int a; } t;", "type t, struct s"),
}


@pytest.mark.parametrize(("language", "source", "expected"), PATHS.values(), ids=PATHS)
def test_a_definition_has_one_path(language: str, source: str, expected: str) -> None:
    """Of plain names, joined by dots."""
    found = [f"{s.kind} {s.name_path}" for s in parsed(source, language).symbols]

    assert expected == ", ".join(found)


SIGNATURES = {
    "several lines": ("python", "def f(\n    a,\n    b,\n):\n    pass", "def f( a, b, )"),
    "comments": ("python", "def f(a):  # noqa\n    pass", "def f(a)"),
    "a comment inside": ("c", "int f(int a /* in */, int b) {}", "int f(int a , int b)"),
    "a decorator": ("python", "@a\ndef f(): pass", "def f()"),
    "a constant": ("python", "A = {\n    1: 2,\n}", "A ="),
    "no body": ("java", "interface A { void f(int a,\n  int b); }", "void f(int a, int b)"),
}


@pytest.mark.parametrize(("language", "source", "expected"), SIGNATURES.values(), ids=SIGNATURES)
def test_a_signature_is_a_header_on_one_line(language: str, source: str, expected: str) -> None:
    """Without comments, decorators and body."""
    assert expected.rstrip(" =") == parsed(source, language).symbols[-1].signature


def test_long_names_are_cut() -> None:
    """A minified or hostile file does not fill the index with one name."""
    name = "n" * 5_000
    source = (
        f"import {name}.x as y\ndef {name}({name}):\n    {name}.{name}()\n    def {name}(): pass\n"
    )

    file = parsed(source, "python")

    assert {NAME_CHARS} == {len(symbol.name) for symbol in file.symbols}
    assert max(len(symbol.name_path) for symbol in file.symbols) <= NAME_PATH_CHARS
    assert {SIGNATURE_CHARS} >= {len(symbol.signature) for symbol in file.symbols[:1]}
    assert max(len(use.name) for use in file.references) <= NAME_CHARS
    assert max(len(use.qualifier) for use in file.references) <= QUALIFIER_CHARS


def test_a_long_selector_is_cut() -> None:
    """Rules of a style sheet are named by their headers."""
    source = f"@media {'a ' * 300}{{ b {{ c: d }} }}"

    (chunk,) = parsed(source, "css").chunks

    assert chunk.name
    assert len(chunk.name) <= NAME_CHARS


IMPORTS = {
    "a tree of names": (
        "rust",
        "pub use a::{self, b::{c, d as e}, f::*};",
        "/a a::b/c a::b/d=e a::f/*",
    ),
    "a single name": ("rust", "use std::io;", "std/io"),
    "a group of PHP": ("php", "<?php use A\\{B, C as D};", "A/B A/C=D"),
    "a function of PHP": ("php", "<?php use function A\\f;", "A/f"),
    "a default": ("javascript", "import a from 'b';", "b/default=a"),
    "everything": ("javascript", "import * as a from 'b'; export * from 'c';", "b/*=a c/*"),
    "a side effect": ("javascript", "import 'a';", "/a"),
    "a call": ("javascript", "const a = await import('b');", "/b"),
    "parts of a call": ("javascript", "const {a, b: c} = require('d');", "d/a d/b=c"),
    "a relative module": ("python", "from . import a\nfrom ..b import c", "./a ..b/c"),
    "a module by another name": ("python", "import a.b as c", "/a.b=c"),
    "a package by another name": ("go", 'package a\nimport x "b/c"', "/b/c=x"),
    "a static member": ("java", "import static a.B.c;", "a.B/c"),
    "a header": ("c", '#include <a.h>\n#include "b/c.h"', "/a.h /b/c.h"),
    "a namespace": ("cpp", "using namespace a::b;", "a::b/*"),
    "an alias": ("c_sharp", "using A = B.C;", "/B.C=A"),
    "a file": ("ruby", "require_relative 'a/b'", "/a/b"),
    "a script": ("bash", 'source "a/b.sh"\n. c', "/a/b.sh /c"),
}


@pytest.mark.parametrize(("language", "source", "expected"), IMPORTS.values(), ids=IMPORTS)
def test_an_import_keeps_what_binds_it(language: str, source: str, expected: str) -> None:
    """Told as module/name=alias."""
    found = [
        f"{use.qualifier}/{use.name}" + (f"={use.alias}" if use.alias else "")
        for use in parsed(source, language).references
        if use.kind == "import"
    ]

    assert expected.split() == found


def test_a_use_is_counted_once_a_line() -> None:
    """With all its lines in order."""
    (use,) = parsed("f(f())\nf()\n", "python").references

    assert ("call", "f", [1, 2]) == (use.kind, use.name, use.lines)


def test_a_scope_is_the_innermost_definition() -> None:
    """A constant is none: what it calls is called at top level."""
    source = "A = f()\n\nclass B:\n    c = f()\n\n    def d(self):\n        return lambda: f()\n"

    scopes = [use.scope for use in parsed(source, "python").references]

    assert ["", "B", "B.d"] == scopes
