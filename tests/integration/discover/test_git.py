"""One commit of a git repository, as `git` really gives it."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config.errors import (
    BadInputError,
    ConfigurationError,
    NothingToIndexError,
    RefNotFoundError,
    SourceNotFoundError,
)
from tasks.discover import command
from tasks.discover import git as git_module
from tasks.discover.git import open_repository, resolve_ref
from tasks.discover.refs import ResolvedRef
from tasks.discover.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.timeouts import Timeouts
    from tests.integration.discover.conftest import Repo, Scanner


def test_the_default_branch_is_read_whole(repo: Repo, scan_all: Scanner) -> None:
    """Every file with its bytes, hash, mode, language and text."""
    commit = repo.commit({"a.py": "x = 1\n", "doc/b.md": "# Title\n"})
    (repo.path / "a.py").chmod(0o755)
    commit = repo.commit()

    scanned = scan_all(repo.path)

    assert ("main", commit) == (scanned.ref, scanned.commit)
    assert {"a.py": "x = 1\n", "doc/b.md": "# Title\n"} == scanned.texts
    entry = scanned.entry("a.py")
    assert (0o100755, 6, None, "python", 0) == (
        *(entry.mode, entry.size, entry.skip, entry.language, entry.secrets),
    )
    assert hashlib.sha256(b"x = 1\n").digest() == entry.sha256


def test_entries_come_in_the_order_of_their_bytes(repo: Repo, scan_all: Scanner) -> None:
    """Also where a folder stands between files: `a.c` `a/b` `a0`."""
    repo.commit(dict.fromkeys(["a/b", "a.c", "a0", "B", "ü", "a/b.c", "a-b"], "x"))

    paths = [entry.path.encode() for entry in scan_all(repo.path).entries]

    assert sorted(paths) == paths
    assert len(paths) == 7


@pytest.mark.parametrize("ref", ["dev", "refs/heads/dev", "light", "annotated", "refs/tags/light"])
def test_a_branch_or_a_tag_can_be_chosen(repo: Repo, scan_all: Scanner, ref: str) -> None:
    """By its short or its full name; an annotated tag means its commit."""
    repo.commit({"a.py": "main"})
    repo.git("checkout", "-q", "-b", "dev")
    commit = repo.commit({"a.py": "dev"})
    repo.git("tag", "light")
    repo.git("tag", "-a", "annotated", "-m", "a tag")
    repo.git("checkout", "-q", "main")

    scanned = scan_all(repo.path, ref=ref)

    assert (ref.rpartition("/")[2], commit) == (scanned.ref, scanned.commit)
    assert {"a.py": "dev"} == scanned.texts


def test_a_commit_can_be_chosen(repo: Repo, scan_all: Scanner) -> None:
    """By its full id, also when no ref leads to it any more."""
    first = repo.commit({"a.py": "first"})
    repo.commit({"a.py": "second"})

    scanned = scan_all(repo.path, ref=first)

    assert (first, first) == (scanned.ref, scanned.commit)
    assert {"a.py": "first"} == scanned.texts


def test_a_detached_head_is_read(repo: Repo, scan_all: Scanner) -> None:
    """It has no branch's name."""
    first = repo.commit({"a.py": "first"})
    repo.commit({"a.py": "second"})
    repo.git("checkout", "-q", first)

    scanned = scan_all(repo.path)

    assert ("HEAD", first) == (scanned.ref, scanned.commit)


def test_uncommitted_changes_do_not_count(repo: Repo, scan_all: Scanner) -> None:
    """Neither new files, nor changed, nor staged ones."""
    repo.commit({"a.py": "committed"})
    repo.write({"a.py": "changed", "new.py": "new"})
    repo.git("add", "a.py")

    assert {"a.py": "committed"} == scan_all(repo.path).texts


@pytest.mark.parametrize("inside", ["", ".git"])
def test_a_repository_is_read_from_its_folder_or_its_git_folder(
    repo: Repo, scan_all: Scanner, inside: str
) -> None:
    """Both name it."""
    repo.commit({"a.py": "x"})

    assert {"a.py": "x"} == scan_all(repo.path / inside).texts


def test_a_bare_repository_is_read(repo: Repo, scan_all: Scanner, tmp_path: Path) -> None:
    """As a server keeps it."""
    repo.commit({"a.py": "x"})
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))

    assert {"a.py": "x"} == scan_all(tmp_path / "bare.git").texts


def test_a_linked_work_tree_is_read(repo: Repo, scan_all: Scanner, tmp_path: Path) -> None:
    """Its own HEAD counts, not that of the repository it belongs to."""
    repo.commit({"a.py": "main"})
    linked = tmp_path / "linked"
    repo.git("worktree", "add", "-q", "-b", "dev", str(linked))
    (linked / "a.py").write_text("dev")
    repo.git("-C", str(linked), "commit", "-q", "-a", "-m", "dev")

    scanned = scan_all(linked)

    assert ("dev", {"a.py": "dev"}) == (scanned.ref, scanned.texts)


def test_a_shallow_repository_is_read(repo: Repo, scan_all: Scanner, tmp_path: Path) -> None:
    """Its history is cut off, its last commit is whole."""
    repo.commit({"a.py": "1"})
    repo.commit({"a.py": "2"})
    shallow = tmp_path / "shallow"
    repo.git("clone", "-q", "--depth=1", f"file://{repo.path}", str(shallow))

    assert {"a.py": "2"} == scan_all(shallow).texts


def test_a_sha256_repository_is_read(new_repo: Callable[..., Repo], scan_all: Scanner) -> None:
    """Its ids have 64 digits."""
    repo = new_repo("sha256", "--object-format=sha256")
    commit = repo.commit({"a.py": "x"})

    scanned = scan_all(repo.path)

    assert len(commit) == 64
    assert (commit, {"a.py": "x"}) == (scanned.commit, scanned.texts)


@pytest.mark.parametrize("name", ["with space", "per%41cent", "new:colon", "ü", "-dash", "a#b?c"])
def test_a_repository_may_have_any_path(
    new_repo: Callable[..., Repo], scan_all: Scanner, name: str
) -> None:
    """Whatever git, URLs or options make of such characters."""
    repo = new_repo(name)
    repo.commit({"a.py": "x"})

    assert {"a.py": "x"} == scan_all(repo.path).texts


def test_a_ref_is_resolved_without_fetching(repo: Repo, scratch: Path, timeouts: Timeouts) -> None:
    """So that a known commit costs one question."""
    commit = repo.commit({"a.py": "x"})
    source = Source("git", str(repo.path))

    assert ResolvedRef(commit, "main") == resolve_ref(source, scratch=scratch, timeouts=timeouts)


def test_nothing_is_fetched_before_the_entries_are_asked_for(repo: Repo, scan_all: Scanner) -> None:
    """An unchanged commit is recognised without its files."""
    commit = repo.commit({"a.py": "x"})

    with scan_all.open(repo.path) as listing:
        assert commit == listing.commit
        assert not list(scan_all.scratch.rglob("*.pack"))


def test_an_empty_repository_has_nothing_to_index(repo: Repo, scan_all: Scanner) -> None:
    """A fresh `git init`."""
    with pytest.raises(NothingToIndexError, match="no commit yet"):
        scan_all(repo.path)


def test_a_commit_without_files_is_an_empty_listing(repo: Repo, scan_all: Scanner) -> None:
    """It exists, so this is no error here."""
    repo.commit()

    assert [] == scan_all(repo.path).entries


def test_an_unborn_head_names_the_branches(repo: Repo, scan_all: Scanner) -> None:
    """HEAD names a branch that has no commit."""
    repo.commit({"a.py": "x"})
    repo.git("symbolic-ref", "HEAD", "refs/heads/unborn")

    with pytest.raises(RefNotFoundError, match="it has main"):
        scan_all(repo.path)


def test_a_missing_branch_names_those_that_exist(repo: Repo, scan_all: Scanner) -> None:
    """Most misses are master for main."""
    repo.commit({"a.py": "x"})

    with pytest.raises(RefNotFoundError, match="no branch or tag master; it has main"):
        scan_all(repo.path, ref="master")


def test_a_missing_commit_is_said_to_be_missing(repo: Repo, scan_all: Scanner) -> None:
    """A full id that nobody has."""
    repo.commit({"a.py": "x"})

    with pytest.raises(RefNotFoundError, match="no such commit"):
        scan_all(repo.path, ref="1" * 40)


@pytest.mark.parametrize("kind", ["blob", "tree", "tag"])
def test_an_id_of_something_else_is_refused(repo: Repo, scan_all: Scanner, kind: str) -> None:
    """A commit's id is asked for."""
    repo.commit({"a.py": "x"})
    repo.git("tag", "-a", "v1", "-m", "a tag")
    names = {"blob": "HEAD:a.py", "tree": "HEAD^{tree}", "tag": "v1"}

    with pytest.raises((RefNotFoundError, BadInputError)):
        scan_all(repo.path, ref=repo.git("rev-parse", names[kind]))


def test_symlinks_and_submodules_are_skipped(repo: Repo, scan_all: Scanner) -> None:
    """Wherever they point to."""
    (repo.path / "passwd").symlink_to("/etc/passwd")
    (repo.path / "loop").symlink_to("loop")
    repo.write({"a.py": "x"})
    repo.git("add", "--all")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    repo.git("commit", "-q", "-m", "a commit")

    expected = {"a.py": None, "loop": "symlink", "passwd": "symlink", "sub": "submodule"}
    assert expected == scan_all(repo.path).reasons


def test_odd_paths_are_read_as_they_are(repo: Repo, scan_all: Scanner) -> None:
    """Line feeds, escapes, options, wildcards, twins by case and by normalisation."""
    names = ["a\nb.py", "\x1b[31m.py", "-rf", "%s_'\"", "A.py", "a.py", "e\u0301.py", "\u00e9.py"]
    repo.commit(dict.fromkeys(names, "x"))

    assert dict.fromkeys(names, "x") == scan_all(repo.path).texts


def test_a_path_that_is_not_utf8_is_shown_escaped(repo: Repo, scan_all: Scanner) -> None:
    """And skipped: PostgreSQL could not store it."""
    blob = repo.object("blob", b"x")
    repo.commit_tree(repo.tree(("100644", b"caf\xe9.py", blob)))

    assert {"caf\\xe9.py": "path_not_utf8"} == scan_all(repo.path).reasons


def test_paths_that_are_shown_alike_are_told_apart(repo: Repo, scan_all: Scanner) -> None:
    """A path may hold what another one's escape looks like."""
    blob = repo.object("blob", b"x")
    names = [b"a\\xff\\xff", b"a\\xff\xff", b"a\xff\\xff", b"a\xff\xff"]
    repo.commit_tree(repo.tree(*[("100644", name, blob) for name in names]))

    paths = [entry.path for entry in scan_all(repo.path).entries]

    assert paths[0] == "a\\xff\\xff"
    assert len(set(paths)) == 4


def test_an_endless_path_is_skipped(repo: Repo, scan_all: Scanner) -> None:
    """9,000 bytes."""
    tree = repo.tree(("100644", b"a.py", repo.object("blob", b"x")))
    for _ in range(90):
        tree = repo.tree(("40000", b"d" * 99, tree))
    repo.commit_tree(tree)

    assert ["path_too_long"] == list(scan_all(repo.path).reasons.values())


def test_an_lfs_pointer_is_skipped(repo: Repo, scan_all: Scanner) -> None:
    """The content is elsewhere, and is not fetched."""
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"
    repo.commit({".gitattributes": "*.py filter=lfs\n", "model.py": pointer})

    assert scan_all(repo.path).reasons["model.py"] == "lfs_pointer"


def test_no_content_is_read_that_is_skipped_by_name(repo: Repo, scan_all: Scanner) -> None:
    """A blob may be missing without anybody noticing."""
    repo.commit({"a.py": "x", "node_modules/b.js": "y"})

    with scan_all.open(repo.path) as listing:
        entries = iter(listing.entries)
        assert next(entries).path == "a.py"
        for pack in scan_all.scratch.rglob("*.pack"):
            pack.unlink()
        assert next(entries).skip == "vendored"


@pytest.mark.parametrize("size", [MAX := 1_000, MAX + 1])
def test_a_file_may_be_as_large_as_the_limit(repo: Repo, scan_all: Scanner, size: int) -> None:
    """One byte more is too large."""
    repo.commit({"a.txt": "x y\n" * 400, "b.txt": "ab c" * (size // 4) + "d" * (size % 4)})

    expected = "too_large" if size > MAX else None
    assert expected == scan_all(repo.path, max_bytes=MAX).reasons["b.txt"]


def test_a_server_that_filters_keeps_large_files_back(
    repo: Repo, scratch: Path, timeouts: Timeouts
) -> None:
    """They are too large, and nobody dials the server for them later."""
    repo.git("config", "uploadpack.allowFilter", "true")
    commit = repo.commit({"big.txt": os.urandom(50_000), "edge.txt": b"x" * 1_000})
    source = Source("git", str(repo.path))

    with open_repository(source, scratch=scratch, timeouts=timeouts) as repository:
        repository.fetch(commit, max_file_bytes=1_000)
        sizes = {entry.path: entry.size for entry in repository.entries()}
        (packed,) = scratch.rglob("*.pack")
        assert packed.stat().st_size < 10_000

    assert {b"big.txt": -1, b"edge.txt": 1_000} == sizes


def test_a_partial_clone_says_how_to_complete_it(
    repo: Repo, scan_all: Scanner, tmp_path: Path
) -> None:
    """Its server is not dialled: it may be of anybody's choosing."""
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.commit({"big.txt": os.urandom(50_000)})
    partial = tmp_path / "partial"
    repo.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{repo.path}", str(partial))

    with pytest.raises(BadInputError, match="partial clone"):
        scan_all(partial)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("100644", b".."),
        ("100644", b"."),
        ("100644", b"../escaped.py"),
        ("100644", b"a/b.py"),
        ("40000", b".git"),
        ("40000", b".GIT"),
        ("40000", b".g\xe2\x80\x8cit"),
        ("40000", b"git~1"),
    ],
)
def test_a_tree_that_would_escape_is_refused(
    repo: Repo, scan_all: Scanner, mode: str, name: bytes
) -> None:
    """Git's own check of every object that is fetched."""
    blob = repo.object("blob", b"x")
    inner = repo.tree(("100644", b"config", blob))
    repo.commit_tree(repo.tree((mode, name, blob if mode == "100644" else inner)))

    with pytest.raises(BadInputError, match="git refuses the repository"):
        scan_all(repo.path)


def test_a_tree_out_of_order_is_refused(repo: Repo, scan_all: Scanner) -> None:
    """The order of entries can be relied on."""
    blob = repo.object("blob", b"x")
    repo.commit_tree(repo.tree(("100644", b"b", blob), ("100644", b"a", blob)))

    with pytest.raises(BadInputError, match="git refuses the repository"):
        scan_all(repo.path)


def test_harmless_faults_of_old_histories_pass(repo: Repo, scan_all: Scanner) -> None:
    """A mode with a leading zero and a time zone that does not exist."""
    blob = repo.object("blob", b"x")
    inner = repo.tree(("100644", b"a.py", blob))
    tree = repo.tree(("040000", b"old", inner))
    author = "Ada <ada@example.org> 1000000000 +051800"
    content = f"tree {tree}\nauthor {author}\ncommitter {author}\n\nold\n"
    repo.git("update-ref", "refs/heads/main", repo.object("commit", content.encode()))

    assert {"old/a.py": "x"} == scan_all(repo.path).texts


def test_a_tree_bomb_is_refused(
    repo: Repo, scan_all: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten objects that name ten thousand million files."""
    monkeypatch.setattr(git_module, "LISTING_BYTES", 1 << 20)
    kind, content = "100644", repo.object("blob", b"x")
    for _ in range(10):
        names = [(kind, f"d{n}".encode(), content) for n in range(10)]
        kind, content = "40000", repo.tree(*names)
    repo.commit_tree(content)

    with pytest.raises(BadInputError, match="larger than may be fetched"):
        scan_all(repo.path)


def test_a_clone_that_grows_too_large_is_stopped(
    repo: Repo, scratch: Path, timeouts: Timeouts
) -> None:
    """And leaves nothing behind."""
    commit = repo.commit({"a.bin": os.urandom(3_000_000)})
    source = Source("git", str(repo.path))

    with (
        open_repository(source, scratch=scratch, timeouts=timeouts) as repository,
        pytest.raises(BadInputError, match="larger than may be fetched"),
    ):
        repository.fetch(commit, max_file_bytes=10_000_000, max_bytes=1_000_000)


def test_a_delta_bomb_runs_out_of_its_own_memory(
    repo: Repo, scan_all: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes of delta make a large file out of another one: git may have only so much."""
    monkeypatch.setattr(command, "MEMORY_BYTES", 48 << 20)
    base = os.urandom(1 << 20)
    repo.commit({"a.txt": base * 30, "b.txt": base * 31})
    repo.git("repack", "-a", "-d", "-f", "-q")

    with pytest.raises(BadInputError, match="memory"):
        scan_all(repo.path)


def test_a_damaged_pack_is_said_to_be_damaged(repo: Repo, scan_all: Scanner) -> None:
    """In one line that tells what to try."""
    repo.commit({f"{n}.txt": os.urandom(2_000) for n in range(20)})
    repo.git("repack", "-q", "-a", "-d")
    (pack,) = repo.path.glob(".git/objects/pack/*.pack")
    pack.chmod(0o644)
    content = bytearray(pack.read_bytes())
    content[2_000:20_000] = bytes(18_000)
    pack.write_bytes(content)

    with pytest.raises(BadInputError, match="git fsck") as caught:
        scan_all(repo.path)

    assert "\n" not in str(caught.value)


def test_a_repository_that_vanished_is_not_found(
    repo: Repo, scratch: Path, timeouts: Timeouts
) -> None:
    """It was there when it was named."""
    source = Source("git", str(repo.path / "gone"))

    with pytest.raises(SourceNotFoundError):
        resolve_ref(source, scratch=scratch, timeouts=timeouts)


def test_a_repository_of_somebody_else_is_read(
    repo: Repo, scan_all: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git's own tests pretend in the same way that the owner is another."""
    repo.commit({"a.py": "x"})
    plain = command._environment

    def foreign(home: Path, git_folder: Path, transport: command.Transport) -> dict[str, str]:
        return {**plain(home, git_folder, transport), "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}

    monkeypatch.setattr(command, "_environment", foreign)

    assert {"a.py": "x"} == scan_all(repo.path).texts
    assert {"a.py": "x"} == scan_all(repo.path, worktree=True).texts


def test_the_same_commit_scanned_twice_is_the_same(repo: Repo, scan_all: Scanner) -> None:
    """Entry by entry."""
    repo.commit({f"d{n % 7}/{n}.py": f"x = {n}\n" * n for n in range(50)})

    first, second = scan_all(repo.path), scan_all(repo.path)

    assert first == second
    assert len(first.entries) == 50


def test_an_error_in_the_block_leaves_no_clone_behind(repo: Repo, scan_all: Scanner) -> None:
    """The scratch folder is looked at afterwards."""
    repo.commit({"a.py": "x", "b.py": "y"})

    with pytest.raises(ZeroDivisionError), scan_all.open(repo.path) as listing:
        next(iter(listing.entries))
        raise ZeroDivisionError


def test_a_clone_is_closed_to_others(repo: Repo, scan_all: Scanner) -> None:
    """It may hold private code."""
    repo.commit({"a.py": "x"})

    with scan_all.open(repo.path) as listing:
        next(iter(listing.entries))
        (clone,) = scan_all.scratch.iterdir()
        assert stat.S_IMODE(clone.stat().st_mode) == 0o700


def test_a_missing_git_is_a_clear_error(
    repo: Repo, scan_all: Scanner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It says what to install."""
    repo.commit({"a.py": "x"})
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigurationError, match="install it"):
        scan_all(repo.path)


def test_an_unwritable_scratch_folder_is_a_clear_error(
    repo: Repo, timeouts: Timeouts, tmp_path: Path
) -> None:
    """Here a file is in its place."""
    (tmp_path / "file").write_text("")
    source = Source("git", str(repo.path))

    with pytest.raises(ConfigurationError, match="cannot be written to"):
        resolve_ref(source, scratch=tmp_path / "file" / "scratch", timeouts=timeouts)
