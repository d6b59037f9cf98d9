"""A plain folder, with everything that a disk can hold."""

from __future__ import annotations

import hashlib
import os
import random
import re
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config.errors import BadInputError, SourceNotFoundError
from tasks.discover import disk
from tasks.discover.manifest import FOLDER_REF

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.integration.discover.conftest import Repo, Scanner, Tree


def test_a_folder_is_listed_in_the_order_of_bytes(folder: Tree, scan_all: Scanner) -> None:
    """As the same tree would be in git."""
    names = ["B", "a-b", "a.c", "a/b", "a/b.c", "a/c/d", "a0", "ü/x"]
    folder.write(dict.fromkeys(names, "x"))

    scanned = scan_all(folder.path)

    assert names == [entry.path for entry in scanned.entries]
    assert scanned.ref == FOLDER_REF


def test_a_folder_s_id_is_its_content(folder: Tree, scan_all: Scanner) -> None:
    """A digest of sorted paths and hashes or reasons."""
    folder.write({"a.py": "x", "b.png": "y"})

    digest = hashlib.sha256()
    for part in ("a.py", hashlib.sha256(b"x").hexdigest(), "b.png", "binary"):
        digest.update(part.encode() + b"\0")
    assert f"tree:{digest.hexdigest()}" == scan_all(folder.path).commit


@pytest.mark.parametrize("change", [{"a.py": "y"}, {"b.py": "x"}, {"c.png": ""}])
def test_another_content_has_another_id(
    folder: Tree, scan_all: Scanner, change: dict[str, str | bytes]
) -> None:
    """Also when only a skipped file came."""
    folder.write({"a.py": "x"})
    before = scan_all(folder.path).commit
    folder.write(change)

    assert before != scan_all(folder.path).commit


def test_the_id_is_known_after_the_last_entry(folder: Tree, scan_all: Scanner) -> None:
    """Not before."""
    folder.write({"a.py": "x"})

    with scan_all.open(folder.path) as listing:
        assert listing.commit is None
        list(listing.entries)
        assert str(listing.commit).startswith("tree:")


def test_an_empty_folder_is_an_empty_listing(folder: Tree, scan_all: Scanner) -> None:
    """It is for the caller to find it strange."""
    assert [] == scan_all(folder.path).entries


def test_nested_ignore_files_count(folder: Tree, scan_all: Scanner) -> None:
    """Each for its own folder and below; the deepest decides."""
    folder.write(
        {
            ".gitignore": "*.log\n/out/\n",
            "keep/.gitignore": "!*.log\n/*.tmp\n",
            **dict.fromkeys(
                ["a.log", "a.py", "out/b.py", "src/out/c.py", "keep/d.log", "keep/e.tmp"], "x"
            ),
            "keep/deep/f.tmp": "x",
        }
    )

    expected = [".gitignore", "a.py", "keep/.gitignore", "keep/d.log", "keep/deep/f.tmp"]
    assert [*expected, "src/out/c.py"] == list(scan_all(folder.path).reasons)


def test_a_file_in_an_ignored_folder_cannot_come_back(folder: Tree, scan_all: Scanner) -> None:
    """Git does not look inside, so nor do we."""
    folder.write({".gitignore": "out/\n!out/a.py\n", "out/a.py": "x", "out/.gitignore": "!*\n"})

    assert [".gitignore"] == list(scan_all(folder.path).reasons)


def test_the_ignore_rules_of_a_parent_do_not_count(repo: Repo, scan_all: Scanner) -> None:
    """What is indexed depends on the folder alone."""
    repo.write({".gitignore": "*\n", "part/a.py": "x"})

    assert {"a.py": "x"} == scan_all(repo.path / "part").texts


WORDS = ["a", "b", "ab", "foo", "x.log", "bar", "a b", ".h"]
PIECES = ["a", "b", "*", "?", "foo", "*.log", "[ab]", "[!a]", "bar", "x*g", ".*"]


def _random_rules(chance: random.Random) -> str:
    def segment() -> str:
        return re.sub(r"\*+", "*", "".join(chance.choices(PIECES, k=chance.randint(1, 2))))

    def rule() -> str:
        segments = [
            chance.choice([segment(), segment(), "**"]) for _ in range(chance.randint(0, 2))
        ]
        pattern = "/".join((*segments, segment()))
        start, end = chance.choice(["", "", "!", "/"]), chance.choice(["", "", "/", "/**"])
        return f"{start}{pattern}{end}"

    return "".join(f"{rule()}\n" for _ in range(chance.randint(1, 4)))


@pytest.mark.parametrize("seed", range(60))
def test_ignore_rules_mean_what_git_says(folder: Tree, scan_all: Scanner, seed: int) -> None:
    """Random rules over a random tree, next to git itself."""
    chance = random.Random(seed)
    for _ in range(60):
        path = folder.path.joinpath(*chance.choices(WORDS, k=chance.randint(1, 4)))
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            folder.write({str(path.relative_to(folder.path)): "x"})
    folder.write({".gitignore": _random_rules(chance), "foo.d/.gitignore": _random_rules(chance)})
    folder.write(dict.fromkeys(["foo.d/a", "foo.d/b/foo", "foo.d/x.log"], "x"))

    git = ["git", "--git-dir=.git", "--work-tree=.", "ls-files", "-z", "-o"]
    subprocess.run(["git", "init", "-q"], cwd=folder.path, check=True)
    listed = subprocess.run(
        [*git, "--exclude-per-directory=.gitignore"],
        cwd=folder.path,
        check=True,
        capture_output=True,
    )
    subprocess.run(["rm", "-rf", ".git"], cwd=folder.path, check=True)
    expected = sorted(filter(None, listed.stdout.decode().split("\0")))
    assert expected == sorted(scan_all(folder.path).reasons)


def test_a_rule_s_file_may_be_anything(folder: Tree, scan_all: Scanner) -> None:
    """A folder, a symlink, or too large to be rules: then there are none."""
    folder.write({"a/.gitignore/x.py": "x", "b/x.py": "x", "c/.gitignore": "#" * (2 << 20)})
    (folder.path / "all").write_text("*\n")
    (folder.path / "b/.gitignore").symlink_to("../all")

    reasons = scan_all(folder.path).reasons

    assert {"a/.gitignore/x.py", "b/x.py"} <= set(reasons)


def test_git_folders_are_never_entered(folder: Tree, scan_all: Scanner) -> None:
    """At any depth; a repository inside is only files."""
    folder.write(
        {"in/.git/config": "x", "in/a.py": "x", "sub/.git": "gitdir: x", ".gitmodules": "x"}
    )

    assert [".gitmodules", "in/a.py"] == list(scan_all(folder.path).reasons)


def test_hidden_files_are_read(folder: Tree, scan_all: Scanner) -> None:
    """Workflows are code."""
    folder.write({".github/workflows/ci.yml": "on: push\n", ".editorconfig": "root = true\n"})

    assert [None, None] == list(scan_all(folder.path).reasons.values())


def test_symlinks_are_never_followed(folder: Tree, scan_all: Scanner) -> None:
    """To files, to folders, in loops, to nowhere."""
    outside = folder.path.parent / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("secret")
    links = {"file": "../outside/secret.py", "dir": str(outside), "loop": ".", "self": "self"}
    for name, target in {**links, "nowhere": "no"}.items():
        (folder.path / name).symlink_to(target)

    expected = dict.fromkeys(("dir", "file", "loop", "nowhere", "self"), "symlink")
    assert expected == scan_all(folder.path).reasons


def test_special_files_are_not_opened(
    folder: Tree, scan_all: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening a FIFO would wait for ever."""
    monkeypatch.chdir(folder.path)  # the path of a socket may have 107 bytes
    os.mkfifo("fifo.py")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.py")

        assert {"fifo.py": "special", "socket.py": "special"} == scan_all(folder.path).reasons


def test_a_file_replaced_by_a_fifo_does_not_block(folder: Tree, scan_all: Scanner) -> None:
    """Between listing and reading."""
    folder.write({"a.py": "x", "b.py": "x"})

    with scan_all.open(folder.path) as listing:
        entries = iter(listing.entries)
        next(entries)
        (folder.path / "b.py").unlink()
        os.mkfifo(folder.path / "b.py")
        assert next(entries).skip == "changed"


def test_a_file_replaced_by_a_symlink_leads_nowhere(
    folder: Tree, scan_all: Scanner, tmp_path: Path
) -> None:
    """Between listing and reading."""
    (tmp_path / "secret.py").write_text("secret")
    folder.write({"a.py": "x", "b.py": "x"})

    with scan_all.open(folder.path) as listing:
        entries = iter(listing.entries)
        next(entries)
        (folder.path / "b.py").unlink()
        (folder.path / "b.py").symlink_to(tmp_path / "secret.py")
        assert next(entries).skip == "unreadable"


def test_a_folder_replaced_by_a_symlink_leads_nowhere(
    folder: Tree, scan_all: Scanner, tmp_path: Path
) -> None:
    """Between listing and reading."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b.py").write_text("secret")
    folder.write({"d/a.py": "x", "d/b.py": "x", "d/c/b.py": "x"})

    with scan_all.open(folder.path) as listing:
        entries = iter(listing.entries)
        next(entries)
        (folder.path / "d").rename(folder.path / "was")
        (folder.path / "d").symlink_to(tmp_path / "outside")
        rest = list(entries)

    assert "secret" not in {entry.text for entry in rest}


def test_a_closed_file_is_skipped(
    folder: Tree, scan_all: Scanner, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """With a reason."""
    folder.write({"a.py": "x", "b.py": "x"})
    (folder.path / "a.py").chmod(0o000)
    folder.path.chmod(0o755)

    with as_nobody():
        assert {"a.py": "unreadable", "b.py": None} == scan_all(folder.path).reasons


def test_a_closed_folder_is_one_skipped_entry(
    folder: Tree, scan_all: Scanner, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """What it holds nobody can tell."""
    folder.write({"closed/a.py": "x", "open/b.py": "x"})
    (folder.path / "closed").chmod(0o000)
    folder.path.chmod(0o755)

    try:
        with as_nobody():
            assert {"closed": "unreadable", "open/b.py": None} == scan_all(folder.path).reasons
    finally:
        (folder.path / "closed").chmod(0o755)


def test_a_source_that_is_closed_is_not_found(
    folder: Tree, scan_all: Scanner, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """It may be entered, but not listed."""
    folder.write({"a.py": "x"})
    folder.path.chmod(0o111)

    try:
        with as_nobody(), pytest.raises(SourceNotFoundError, match="Permission denied"):
            scan_all(folder.path)
    finally:
        folder.path.chmod(0o755)


def test_a_file_deleted_meanwhile_is_skipped(folder: Tree, scan_all: Scanner) -> None:
    """It was there when it was listed."""
    folder.write({"a.py": "x", "b.py": "x"})

    with scan_all.open(folder.path) as listing:
        entries = iter(listing.entries)
        next(entries)
        (folder.path / "b.py").unlink()
        assert next(entries).skip == "changed"


def _meddle(monkeypatch: pytest.MonkeyPatch, path: Path, times: int) -> None:
    """Appends to the file while it is being read, this many times."""
    plain = disk._read_all
    left = [times]

    def meddled(file: int, count: int) -> bytes:
        content = plain(file, count)
        if left[0]:
            left[0] -= 1
            with path.open("a") as appended:
                appended.write("!")
        return content

    monkeypatch.setattr(disk, "_read_all", meddled)


def test_a_file_that_changes_is_read_again(
    folder: Tree, scan_all: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is whole."""
    folder.write({"a.py": "x"})
    _meddle(monkeypatch, folder.path / "a.py", times=1)

    assert {"a.py": "x!"} == scan_all(folder.path).texts


def test_a_file_that_keeps_changing_is_skipped(
    folder: Tree, scan_all: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half of it is taken for a whole."""
    folder.write({"a.py": "x"})
    _meddle(monkeypatch, folder.path / "a.py", times=9)

    assert {"a.py": "changed"} == scan_all(folder.path).reasons


def test_a_file_that_grows_too_large_is_skipped(folder: Tree, scan_all: Scanner) -> None:
    """After it was listed."""
    folder.write({"a.py": "x", "b.py": "x"})

    with scan_all.open(folder.path, max_bytes=1_000) as listing:
        entries = iter(listing.entries)
        next(entries)
        folder.write({"b.py": "x" * 2_000})
        assert next(entries).skip == "too_large"


def test_a_path_on_disk_may_be_endless(folder: Tree, scan_all: Scanner) -> None:
    """It is not entered any deeper than can be stored."""
    place = folder.path
    for _ in range(6):
        place = place / ("d" * 200)
    place.mkdir(parents=True)
    (place / "a.py").write_text("x")
    (place / "b.py").write_text("x")

    assert ["path_too_long"] == list(scan_all(folder.path).reasons.values())


def test_names_that_are_not_utf8_are_skipped(folder: Tree, scan_all: Scanner) -> None:
    """And shown."""
    (folder.path / os.fsdecode(b"caf\xe9.py")).write_text("x")

    assert {"caf\\xe9.py": "path_not_utf8"} == scan_all(folder.path).reasons


def test_a_clean_tree_is_the_same_from_git_and_from_disk(repo: Repo, scan_all: Scanner) -> None:
    """Same paths, same hashes, same texts, same reasons."""
    files: dict[str, str | bytes] = {f"d{n % 5}/{n}.py": f"x = {n}\n" for n in range(40)}
    files |= {"a.png": b"\0", "b.txt": "", "c.md": "ü", "crlf.py": "x\r\n", ".hidden": "x"}
    repo.commit(files)

    committed, worktree = scan_all(repo.path), scan_all(repo.path, worktree=True)
    (repo.path / ".git").rename(repo.path.parent / "git")
    folder = scan_all(repo.path)

    facts = [
        [(e.path, e.sha256, e.text, e.skip, e.size) for e in scanned.entries]
        for scanned in (committed, worktree, folder)
    ]
    assert facts[0] == facts[1] == facts[2]
    assert len(facts[0]) == 45


def test_a_folder_has_no_refs(folder: Tree, scan_all: Scanner) -> None:
    """Nor a work tree."""
    with pytest.raises(BadInputError, match="ref"):
        scan_all(folder.path, ref="main")
    with pytest.raises(BadInputError, match="work tree"):
        scan_all(folder.path, worktree=True)


def test_a_folder_that_vanished_is_not_found(folder: Tree, scan_all: Scanner) -> None:
    """Between naming and opening."""
    opened = scan_all.open(folder.path)
    folder.path.rmdir()

    with pytest.raises(SourceNotFoundError), opened:
        pass


def test_a_folder_that_vanishes_is_not_found(folder: Tree, scan_all: Scanner) -> None:
    """Between opening and listing."""
    with scan_all.open(folder.path) as listing:
        folder.path.rmdir()

        assert [] == list(listing.entries)
