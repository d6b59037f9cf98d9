"""A repository that tries to run a command in every way git has. Nothing runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config.errors import BadInputError

if TYPE_CHECKING:
    from tests.integration.discover.conftest import Repo, Scanner

HOOKS = (
    *("post-checkout", "post-index-change", "pre-receive", "reference-transaction", "update"),
    *("fsmonitor-watchman", "pre-auto-gc", "post-rewrite", "proc-receive", "post-merge"),
)


class Trap:
    """A command that leaves a mark when it runs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.mark = folder / "mark"
        self.command = folder / "command"
        self.command.write_text(f'#!/bin/sh\necho "$0 $@" >> {self.mark}\nexit 1\n')
        self.command.chmod(0o755)

    def ran(self) -> str:
        """How it was called; empty if it was not."""
        return self.mark.read_text() if self.mark.exists() else ""


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    """A command that nobody may run."""
    return Trap(tmp_path / "trap")


@pytest.fixture
def hostile(repo: Repo, trap: Trap, tmp_path: Path) -> Repo:
    """A repository with an honest commit, an uncommitted change, and settings that run the trap."""
    attributes = "*.py filter=trap diff=trap merge=trap working-tree-encoding=UTF-16\n"
    repo.commit({"a.py": "x = 1\n", "b.txt": "b\n"})
    repo.write({"a.py": "x = 2\n", ".gitattributes": attributes, "new.py": "y = 1\n"})
    repo.write({".git/info/attributes": attributes})
    for hook in HOOKS:
        path = repo.path / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(trap.command.read_bytes())
        path.chmod(0o755)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "secret.py").write_text("secret")
    included = repo.path / ".git" / "included"
    included.write_text(f"[core]\n\tfsmonitor = {trap.command}\n")
    (repo.path / ".git" / "config").write_text(_configuration(trap.command, secret, included))
    return repo


def _configuration(command: Path, elsewhere: Path, included: Path) -> str:
    return f"""\
[core]
	repositoryformatversion = 1
	bare = false
	fsmonitor = {command}
	hooksPath = {command.parent}
	sshCommand = {command}
	gitProxy = {command}
	pager = {command}
	editor = {command}
	askPass = {command}
	alternateRefsCommand = {command}
	attributesFile = {elsewhere}/attributes
	worktree = {elsewhere}
	untrackedCache = true
[extensions]
	partialClone = origin
	worktreeConfig = true
[filter "trap"]
	clean = {command} clean
	smudge = {command} smudge
	process = {command} process
	required = true
[diff "trap"]
	command = {command}
	textconv = {command}
[diff]
	external = {command}
[merge "trap"]
	driver = {command}
[credential]
	helper = !{command}
[uploadpack]
	packObjectsHook = {command}
	allowFilter = true
[remote "origin"]
	url = ext::{command}
	promisor = true
	partialclonefilter = blob:none
	uploadpack = {command}
	receivepack = {command}
	vcs = trap
[gpg]
	program = {command}
[alias]
	ls-tree = !{command}
	cat-file = !{command}
	upload-pack = !{command}
[protocol]
	allow = always
[gc]
	auto = 1
[maintenance]
	auto = true
[include]
	path = {included}
[submodule]
	recurse = true
"""


@pytest.mark.parametrize("worktree", [False, True])
def test_a_hostile_repository_runs_nothing(
    hostile: Repo, trap: Trap, scan_all: Scanner, worktree: bool
) -> None:
    """And is listed like any other."""
    scanned = scan_all(hostile.path, worktree=worktree)

    assert trap.ran() == ""
    assert scanned.texts["a.py"] == ("x = 2\n" if worktree else "x = 1\n")


def test_the_trap_works(hostile: Repo, trap: Trap) -> None:
    """What plain git does in such a folder."""
    subprocess.run(
        ["git", "-C", str(hostile.path), "-c", "core.worktree=.", "status"],
        env={"PATH": os.defpath, "HOME": "/nonexistent"},
        check=False,
        capture_output=True,
    )

    assert str(trap.command) in trap.ran()


def test_a_missing_object_is_not_fetched_from_the_server_it_names(
    hostile: Repo, trap: Trap, scan_all: Scanner
) -> None:
    """A partial clone's server may be any command."""
    missing = hostile.git("rev-parse", "HEAD:b.txt")
    (hostile.path / ".git" / "objects" / missing[:2] / missing[2:]).unlink()
    config = hostile.path / ".git" / "config"
    config.write_text(config.read_text().replace("ext::", "file://").replace("\tvcs = trap\n", ""))

    with pytest.raises(BadInputError, match="partial clone"):
        scan_all(hostile.path)

    assert trap.ran() == ""


def test_a_work_tree_elsewhere_is_not_listed(hostile: Repo, scan_all: Scanner) -> None:
    """`core.worktree` may name any folder of this machine."""
    paths = scan_all(hostile.path, worktree=True).reasons

    assert "new.py" in paths
    assert "secret.py" not in paths


def test_no_working_tree_encoding_is_applied(hostile: Repo, scan_all: Scanner) -> None:
    """The bytes on the disk count."""
    scanned = scan_all(hostile.path, worktree=True)

    assert scanned.texts["new.py"] == "y = 1\n"


def test_a_replacement_is_not_followed(repo: Repo, scan_all: Scanner) -> None:
    """What is read is the commit that is named."""
    commit = repo.commit({"a.py": "honest"})
    other = repo.commit({"a.py": "replaced"})
    repo.git("update-ref", "refs/heads/main", commit)
    repo.git("replace", commit, other)

    assert {"a.py": "honest"} == scan_all(repo.path, ref=commit).texts
