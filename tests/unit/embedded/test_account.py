"""Who runs a server."""

import os
import pwd

import pytest

from config.errors import ConfigurationError
from workers.embedded.account import Account, as_we_are, named, namespaced, unprivileged


def test_a_user_without_a_name_is_told_what_to_do() -> None:
    """With the number that it goes by."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    unknown = next(uid for uid in range(54_321, 65_000) if uid not in taken)
    with pytest.raises(ConfigurationError, match=rf"{unknown}.*MNEMO_DATABASE_URL"):
        named(Account(unknown, unknown))


def test_a_user_with_a_name_is_accepted() -> None:
    """Root has one everywhere."""
    root = Account(0, 0)

    assert root == named(root)


def test_the_unprivileged_account_is_not_root() -> None:
    """And is entered by a change of user."""
    account = unprivileged()

    assert account.uid != 0
    assert account.switch


def test_in_a_namespace_the_files_stay_ours() -> None:
    """While the server believes to be somebody else."""
    account = namespaced()

    assert (os.geteuid(), os.getegid()) == (account.uid, account.gid)
    assert (unprivileged().uid, unprivileged().gid) == account.inside


def test_as_we_are_changes_nothing() -> None:
    """Neither user nor namespace."""
    assert Account(os.geteuid(), os.getegid(), switch=False, inside=None) == as_we_are()


def test_a_system_without_the_unprivileged_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's database needs somebody to run it."""
    monkeypatch.setattr("workers.embedded.account.UNPRIVILEGED", "no-such-user")
    with pytest.raises(ConfigurationError, match="no user 'no-such-user'"):
        unprivileged()
