"""The error tree: it is drawn as it is, and its classes decide."""

import inspect

import pytest

from config import errors
from config.errors import MnemoError

CLASSES = [
    member
    for _, member in inspect.getmembers(errors, inspect.isclass)
    if issubclass(member, MnemoError)
]


@pytest.mark.parametrize("error", CLASSES)
def test_the_docstring_is_the_default_message(error: type[MnemoError]) -> None:
    """An error raised without a message still says what happened."""
    assert str(error()) == (error.__doc__ or "").partition("\n")[0] != ""


@pytest.mark.parametrize("error", CLASSES)
def test_the_tree_in_the_docstring_names_every_class(error: type[MnemoError]) -> None:
    """Whoever reads the head of the module sees all of it."""
    assert error.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_has_an_exit_code(error: type[MnemoError]) -> None:
    """0 and 1 are not for errors."""
    assert error.exit_code in (errors.EXIT_COULD_NOT_RUN, errors.EXIT_DEPENDENCY_DOWN)


@pytest.mark.parametrize("error", CLASSES)
def test_a_message_is_scrubbed_where_it_is_made(error: type[MnemoError]) -> None:
    """Whoever stores, logs or shows it need not think of it."""
    assert "hunter2" not in str(error("cannot reach postgresql://mnemo:hunter2@db/mnemo"))
