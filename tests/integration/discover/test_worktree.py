"""A work tree as it lies on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config.errors import BadInputError, SourceNotFoundError
from tasks.discover.manifest import WORKTREE_REF

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.integration.discover.conftest import Repo, Scanner


def test_uncommitted_and_untracked_files_count(repo: Repo, scan_all: Scanner) -> None:
    """Ignored ones do not, by any of git's ways to ignore."""
    repo.commit({"a.py": "old", "same.py": "same", ".gitignore": "*.log\n", "forced.log": "x"})
    repo.git("add", "--force", "forced.log")
    repo.write({"a.py": "new", "b/new.py": "new", "c.log": "x", "d.tmp": "x"})
    repo.write({".git/info/exclude": "*.tmp\n"})

    scanned = scan_all(repo.path, worktree=True)

    assert scanned.ref == WORKTREE_REF
    expected = {".gitignore": "*.log\n", "a.py": "new", "b/new.py": "new", "forced.log": None}
    expected["same.py"] = "same"
    assert expected == {entry.path: entry.text for entry in scanned.entries}


def test_a_repository_without_a_commit_has_a_work_tree(repo: Repo, scan_all: Scanner) -> None:
    """Only the files matter."""
    repo.write({"a.py": "x"})

    assert {"a.py": "x"} == scan_all(repo.path, worktree=True).texts


def test_deleted_files_are_not_there(repo: Repo, scan_all: Scanner) -> None:
    """Though the index still has them."""
    repo.commit({"a.py": "x", "gone.py": "x", "gone/b.py": "x", "now_a_file/c.py": "x"})
    (repo.path / "gone.py").unlink()
    (repo.path / "gone/b.py").unlink()
    (repo.path / "gone").rmdir()
    (repo.path / "now_a_file/c.py").unlink()
    (repo.path / "now_a_file").rmdir()
    repo.write({"now_a_file": "y"})

    assert ["a.py", "now_a_file"] == list(scan_all(repo.path, worktree=True).reasons)


def test_a_folder_that_became_a_symlink_is_not_followed(
    repo: Repo, scan_all: Scanner, tmp_path: Path
) -> None:
    """Git takes its files for deleted."""
    repo.commit({"d/a.py": "x"})
    (repo.path / "d").rename(tmp_path / "elsewhere")
    (repo.path / "d").symlink_to(tmp_path / "elsewhere")

    assert {"d": "symlink"} == scan_all(repo.path, worktree=True).reasons


def test_an_unmerged_file_is_listed_once(repo: Repo, scan_all: Scanner) -> None:
    """The index has three of it."""
    repo.commit({"a.py": "base\n"})
    repo.git("checkout", "-q", "-b", "dev")
    repo.commit({"a.py": "dev\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"a.py": "main\n"})
    with pytest.raises(Exception, match="merge"):
        repo.git("merge", "dev")

    scanned = scan_all(repo.path, worktree=True)

    assert ["a.py"] == [entry.path for entry in scanned.entries]
    assert "<<<<<<<" in scanned.texts["a.py"]


def test_repositories_inside_are_one_entry_each(
    repo: Repo, new_repo: Callable[[str], Repo], scan_all: Scanner
) -> None:
    """Submodules, and repositories that are none."""
    repo.commit({"a.py": "x"})
    for name in ("repository/inside", "repository/sub"):
        new_repo(name).commit({"b.py": "x"})
    repo.git("add", "sub")

    expected = {"a.py": None, "inside": "submodule", "sub": "submodule"}
    assert expected == scan_all(repo.path, worktree=True).reasons


def test_the_order_is_that_of_bytes(repo: Repo, scan_all: Scanner) -> None:
    """Tracked and new files together."""
    repo.commit(dict.fromkeys(["a/b", "b", "Z"], "x"))
    repo.write(dict.fromkeys(["a.c", "a0", "a/a"], "x"))

    paths = [entry.path for entry in scan_all(repo.path, worktree=True).entries]

    assert ["Z", "a.c", "a/a", "a/b", "a0", "b"] == paths


def test_odd_names_are_listed(repo: Repo, scan_all: Scanner) -> None:
    """Nothing is quoted."""
    names = ['"q".py', "a\nb.py", "e\u0301.py", "\u00e9.py", "-rf"]
    repo.write(dict.fromkeys(names, "x"))

    assert dict.fromkeys(names, "x") == scan_all(repo.path, worktree=True).texts


def test_a_linked_work_tree_is_listed(repo: Repo, scan_all: Scanner, tmp_path: Path) -> None:
    """There `.git` is a file."""
    repo.commit({"a.py": "x"})
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    (tmp_path / "linked" / "b.py").write_text("y")

    assert {"a.py": "x", "b.py": "y"} == scan_all(tmp_path / "linked", worktree=True).texts


def test_listing_changes_nothing_in_the_repository(repo: Repo, scan_all: Scanner) -> None:
    """Not even the index, which git likes to refresh."""
    repo.commit({"a.py": "x"})
    (repo.path / "a.py").touch()

    def state() -> dict[str, tuple[int, int]]:
        files = [path for path in (repo.path / ".git").rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}

    before = state()
    scan_all(repo.path, worktree=True)
    scan_all(repo.path)

    assert before == state()


def test_a_closed_folder_hides_its_files_with_a_reason(
    repo: Repo, scan_all: Scanner, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """The index knows them."""
    repo.commit({"closed/a.py": "x", "b.py": "x"})
    for path in (repo.path, *repo.path.rglob("*")):
        path.chmod(path.stat().st_mode | 0o055)
    (repo.path / "closed").chmod(0o000)
    scan_all.scratch.mkdir(mode=0o777)
    scan_all.scratch.chmod(0o777)

    try:
        with as_nobody():
            reasons = scan_all(repo.path, worktree=True).reasons
    finally:
        (repo.path / "closed").chmod(0o755)

    assert {"b.py": None, "closed/a.py": "unreadable"} == reasons


def test_a_bare_repository_has_no_work_tree(
    new_repo: Callable[..., Repo], scan_all: Scanner
) -> None:
    """One line says so."""
    with pytest.raises(BadInputError, match="bare"):
        scan_all(new_repo("bare.git", "--bare").path, worktree=True)


def test_a_work_tree_has_no_refs(repo: Repo, scan_all: Scanner) -> None:
    """It is one or the other."""
    with pytest.raises(BadInputError, match="ref"):
        scan_all(repo.path, worktree=True, ref="main")


def test_a_damaged_index_is_a_clear_error(repo: Repo, scan_all: Scanner) -> None:
    """In one line."""
    repo.commit({"a.py": "x"})
    (repo.path / ".git" / "index").write_bytes(b"nonsense" * 20)

    with pytest.raises(BadInputError, match="damaged"):
        scan_all(repo.path, worktree=True)


def test_a_work_tree_whose_repository_is_gone_is_not_found(
    repo: Repo, scan_all: Scanner, tmp_path: Path
) -> None:
    """A linked one points elsewhere."""
    repo.commit({"a.py": "x"})
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    repo.path.rename(tmp_path / "moved")

    with pytest.raises(SourceNotFoundError):
        scan_all(tmp_path / "linked", worktree=True)
