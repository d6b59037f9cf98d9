"""Which language a file is written in."""

import subprocess
import sys

import pytest

from tasks.parse.grammars import grammar
from tasks.parse.languages import EXTENSIONS, LANGUAGES, TEXT, language_of

BY_NAME = {
    "src/app.py": "python",
    "types.pyi": "python",
    "app.js": "javascript",
    "app.jsx": "javascript",
    "app.mjs": "javascript",
    "app.ts": "typescript",
    "index.d.ts": "typescript",
    "app.tsx": "tsx",
    "main.go": "go",
    "lib.rs": "rust",
    "App.java": "java",
    "main.c": "c",
    "main.h": "c",
    "main.cpp": "cpp",
    "main.C": "cpp",
    "main.hpp": "cpp",
    "App.cs": "c_sharp",
    "app.rb": "ruby",
    "Gemfile": "ruby",
    "lib/Rakefile": "ruby",
    "app.php": "php",
    "run.sh": "bash",
    ".bashrc": "bash",
    "README.md": "markdown",
    "package.json": "json",
    "compose.yaml": "yaml",
    ".gitlab-ci.yml": "yaml",
    "pyproject.toml": "toml",
    "index.HTML": "html",
    "style.css": "css",
    "schema.sql": "sql",
    "CMakeLists.txt": "text",
    "Makefile": "text",
    "Dockerfile": "text",
    "notes.txt": "text",
    "LICENSE": "text",
    "main.unknown": "text",
    ".py": "text",
}
BY_SHEBANG = {
    "#!/bin/sh -e\n": "bash",
    "#!/usr/bin/env python3\n": "python",
    "#!/usr/bin/env -S python3.11 -I\n": "python",
    "#!/usr/bin/env LANG=C ruby\n": "ruby",
    "#! /usr/local/bin/node\n": "javascript",
    "\ufeff#!/usr/bin/php\n": "php",
    "#!/usr/bin/awk -f\n": "text",
    "print('#!/bin/sh')\n": "text",
}


@pytest.mark.parametrize(("path", "language"), BY_NAME.items())
def test_a_name_tells_the_language(path: str, language: str) -> None:
    """By the whole name, then by its end."""
    assert language == language_of(path)


@pytest.mark.parametrize(("head", "language"), BY_SHEBANG.items())
def test_a_first_line_tells_the_language(head: str, language: str) -> None:
    """Where the name does not."""
    assert language == language_of("bin/run", head)


def test_a_name_outweighs_the_first_line() -> None:
    """An executable module is still Python."""
    assert "python" == language_of("tool.py", "#!/bin/sh\n")


@pytest.mark.parametrize(
    "head",
    ["namespace a {\n", "#pragma once\n  template <class T>\n", "class A;\n", "#include <map>\n"],
)
def test_a_cpp_header_is_told_from_a_c_header(head: str) -> None:
    """Both end in .h."""
    assert "cpp" == language_of("a.h", head)
    assert "c" == language_of("a.h", "#include <stdio.h>\nstruct class_of;\n")


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != TEXT])
def test_a_language_has_a_grammar_and_a_query(language: str) -> None:
    """Both load, and the query captures something."""
    assert grammar(language).query.capture_count > 0


def test_text_has_no_extension() -> None:
    """It is what nothing else is."""
    assert {*EXTENSIONS, TEXT} == {*LANGUAGES}


def test_asking_for_a_language_loads_no_parser() -> None:
    """Discovery asks for thousands and parses nothing."""
    code = "import sys, tasks.parse.languages; print('tree_sitter' in sys.modules)"

    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert b"False" == asked.stdout.strip()
