"""What SOURCE on the command line means."""

import os
from pathlib import Path

import pytest

from config.errors import BadInputError, SourceNotFoundError, UrlForbiddenError
from tasks.discover.source import Source, SourceKind, name_of, parse_source
from tests.canaries import CANARIES

CANARY = CANARIES["github-token"][0]


def git_folder(path: Path) -> Path:
    """The least that git takes for a repository."""
    (path / "objects").mkdir(parents=True)
    (path / "refs").mkdir()
    (path / "HEAD").write_text("ref: refs/heads/main\n")
    return path


@pytest.mark.parametrize(
    "argument",
    [
        *("ext::sh -c true", "git@example.org:owner/name", "example.org:owner/name", "host:path"),
        *("file:///tmp", "ssh://example.org/a", "git://example.org/a", "http://example.org/a"),
        *("--upload-pack=true", "-rf", "-", "folder\nname", "folder\x00name", "folder\x1b[31m"),
        *("https:", "https://", "https:example.org/a", "C:\\code"),
    ],
)
def test_what_git_could_run_or_dial_is_refused(argument: str) -> None:
    """Before anything looks at the disk or the network."""
    with pytest.raises(UrlForbiddenError):
        parse_source(argument)


def test_an_https_url_is_canonical() -> None:
    """Two spellings are one source."""
    expected = Source("url", "https://example.org/Owner/name.git")

    assert expected == parse_source("https://Example.org:443/Owner/name.git")


def test_a_work_tree_is_git(tmp_path: Path) -> None:
    """Its top folder is its location."""
    git_folder(tmp_path / ".git")

    assert Source("git", str(tmp_path)) == parse_source(str(tmp_path))


def test_a_bare_repository_is_git(tmp_path: Path) -> None:
    """As a server keeps it."""
    bare = git_folder(tmp_path / "name.git")

    assert Source("git", str(bare)) == parse_source(str(bare))


def test_a_linked_work_tree_is_git(tmp_path: Path) -> None:
    """There `.git` is a file."""
    (tmp_path / ".git").write_text("gitdir: /elsewhere/.git/worktrees/name\n")

    assert parse_source(str(tmp_path)).kind == "git"


def test_a_folder_inside_a_work_tree_is_a_plain_folder(tmp_path: Path) -> None:
    """Who names a part gets that part."""
    git_folder(tmp_path / ".git")
    part = tmp_path / "src"
    part.mkdir()

    assert Source("folder", str(part)) == parse_source(str(part))


@pytest.mark.parametrize("content", [None, "not a gitdir line"])
def test_a_git_that_is_none_leaves_a_plain_folder(tmp_path: Path, content: str | None) -> None:
    """An empty `.git` folder or an odd file of that name."""
    if content is None:
        (tmp_path / ".git").mkdir()
    else:
        (tmp_path / ".git").write_text(content)

    assert parse_source(str(tmp_path)).kind == "folder"


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has another current folder."""
    (tmp_path / "code").mkdir()
    monkeypatch.chdir(tmp_path)

    assert Source("folder", str(tmp_path / "code")) == parse_source("code")


def test_a_symlink_to_a_folder_is_the_folder(tmp_path: Path) -> None:
    """One folder has one location."""
    (tmp_path / "code").mkdir()
    (tmp_path / "link").symlink_to("code")

    assert str(tmp_path / "code") == parse_source(str(tmp_path / "link")).location


def test_a_colon_after_a_slash_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way out that the refusal names."""
    (tmp_path / "a:b").mkdir()
    monkeypatch.chdir(tmp_path)

    assert str(tmp_path / "a:b") == parse_source("./a:b").location


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    """One line says which."""
    with pytest.raises(SourceNotFoundError, match=r"there is no .*nowhere"):
        parse_source(str(tmp_path / "nowhere"))


def test_a_path_through_a_file_is_not_found(tmp_path: Path) -> None:
    """`file/name` is no folder."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SourceNotFoundError):
        parse_source(str(tmp_path / "file" / "name"))


def test_a_symlink_loop_is_not_found(tmp_path: Path) -> None:
    """It leads nowhere."""
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(SourceNotFoundError):
        parse_source(str(tmp_path / "loop"))


def test_a_file_is_refused(tmp_path: Path) -> None:
    """A folder or a repository is indexed."""
    (tmp_path / "file.py").write_text("")

    with pytest.raises(BadInputError, match="is not a folder"):
        parse_source(str(tmp_path / "file.py"))


@pytest.mark.parametrize("argument", ["", "  "])
def test_nothing_is_refused(argument: str) -> None:
    """An unset variable on the command line."""
    with pytest.raises(BadInputError, match="no source"):
        parse_source(argument)


def test_a_path_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """It could not be stored."""
    path = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(path)  # noqa: PTH102 - a path of bytes

    with pytest.raises(BadInputError, match="UTF-8"):
        parse_source(os.fsdecode(path))


@pytest.mark.parametrize(
    ("kind", "location", "name"),
    [
        ("git", "/home/me/project", "project"),
        ("git", "/srv/git/project.git", "project"),
        ("git", "/home/me/project/.git", "project"),
        ("folder", "/opt/code/", "code"),
        ("folder", "/", "repository"),
        ("url", "https://example.org/owner/name.git", "name"),
        ("url", "https://example.org/owner/name/", "name"),
        ("url", "https://example.org/a%20b", "a b"),
    ],
)
def test_a_source_has_a_default_name(kind: SourceKind, location: str, name: str) -> None:
    """The last part, as people call it."""
    assert name == name_of(Source(kind, location))


def test_a_source_named_like_a_secret_is_refused(tmp_path: Path) -> None:
    """As a folder and as a URL: it would be stored with the index."""
    (tmp_path / CANARY).mkdir()
    for argument in (str(tmp_path / CANARY), f"https://example.org/{CANARY}/name"):
        with pytest.raises(BadInputError, match="holds a secret") as refused:
            parse_source(argument)
        assert CANARY not in str(refused.value)
