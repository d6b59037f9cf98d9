"""Which language a file is written in, by its name and first line.

Apart from the grammars, so that those who only ask for a language (discovery, filters) load no
tree-sitter.
"""

import re
from pathlib import PurePosixPath

PARSER_VERSION = 2
"""Changes whenever chunks, symbols, references, lexemes or embed inputs of any file may change."""

TEXT = "text"

EXTENSIONS = {
    "bash": ".sh .bash .zsh .ksh .bats .ebuild",
    "c": ".c .h",
    "c_sharp": ".cs .csx",
    "cpp": ".cc .cpp .cxx .c++ .cu .cuh .hpp .hh .hxx .h++ .ino .inl .ipp .tcc .tpp",
    "css": ".css",
    "go": ".go",
    "html": ".html .htm .xhtml .vue .svelte",
    "java": ".java",
    "javascript": ".js .jsx .mjs .cjs .es6",
    "json": ".json .jsonc .jsonl .json5 .geojson .ipynb .webmanifest .code-workspace",
    "markdown": ".md .markdown .mdown .mkd .mdx",
    "php": ".php .phtml .php5 .php7 .phps",
    "python": ".py .pyi .pyw .bzl .pyx .pxd",
    "ruby": ".rb .rake .gemspec .ru .rbi .podspec",
    "rust": ".rs",
    "sql": ".sql .psql .pgsql .ddl",
    "toml": ".toml",
    "tsx": ".tsx",
    "typescript": ".ts .mts .cts",
    "yaml": ".yaml .yml",
}

FILE_NAMES = {
    "bash": ".bashrc .bash_aliases .bash_login .bash_logout .bash_profile .envrc .kshrc .profile"
    " .zlogin .zprofile .zshenv .zshrc APKBUILD PKGBUILD",
    "json": ".babelrc .eslintrc .jshintrc .prettierrc .swcrc composer.lock",
    "python": "BUILD BUILD.bazel SConscript SConstruct WORKSPACE wscript",
    "ruby": "Appraisals Berksfile Brewfile Capfile Dangerfile Fastfile Gemfile Guardfile Podfile"
    " Rakefile Thorfile Vagrantfile .irbrc .pryrc",
    "text": "CMakeLists.txt Containerfile Dockerfile Jenkinsfile Makefile",
    "toml": "Cargo.lock Pipfile poetry.lock uv.lock",
    "yaml": ".clang-format .clang-tidy .yamllint CITATION.cff",
}

INTERPRETERS = {
    "bash": "sh bash dash ksh zsh ash bats",
    "javascript": "node nodejs bun",
    "php": "php",
    "python": "python pypy uv",
    "ruby": "ruby jruby rake",
    "typescript": "deno ts-node tsx",
}


def _inverted(names: dict[str, str]) -> dict[str, str]:
    return {name: language for language, listed in names.items() for name in listed.split()}


LANGUAGES = tuple(sorted({*EXTENSIONS, TEXT}))

_BY_EXTENSION = _inverted(EXTENSIONS)
_BY_FILE_NAME = _inverted(FILE_NAMES)
_BY_INTERPRETER = _inverted(INTERPRETERS)

# `#!/usr/bin/env -S VAR=1 python3.11 -I` → python
_SHEBANG = re.compile(
    r"\ufeff?#!\s*(?:\S*/)?(?:env\s+(?:-\S+\s+|\w+=\S*\s+)*(?:\S*/)?)?([A-Za-z-]+)"
)
_CPP_HEADER = re.compile(
    r"^[ \t]*(?:class\s+\w|(?:inline\s+)?namespace\b|template\s*<|using\s+\w|constexpr\b"
    r"|(?:public|private|protected)\s*:|#\s*include\s*<\w+>|\w.*\bstd::)",
    re.MULTILINE,
)


def language_of(path: str, head: str = "") -> str:
    """The language of the text file at `path`: one of `LANGUAGES`, `text` when none fits.

    Args:
        path: the file's path or name; only the last component counts.
        head: the start of its text, for a shebang, and to tell a C++ header from a C one.
    """
    name = PurePosixPath(path).name
    language = _BY_FILE_NAME.get(name) or _by_extension(name) or _by_shebang(head) or TEXT
    if name.endswith(".h") and _CPP_HEADER.search(head):
        return "cpp"
    return language


def _by_extension(name: str) -> str | None:
    extension = PurePosixPath(name).suffix
    # .C and .H are C++ by an old convention; every other extension ignores case
    return "cpp" if extension in {".C", ".H"} else _BY_EXTENSION.get(extension.lower())


def _by_shebang(head: str) -> str | None:
    match = _SHEBANG.match(head)
    return _BY_INTERPRETER.get(match[1]) if match else None
