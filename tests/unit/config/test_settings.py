"""Settings: read once, checked at start, explained when wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.settings import Settings, get_settings


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Each test reads its own environment."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_without_variables_everything_is_embedded() -> None:
    """The defaults start their own servers."""
    assert get_settings().embedded


def test_a_variable_sets_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """MNEMO_X sets x."""
    monkeypatch.setenv("MNEMO_LOG_LEVEL", "debug")

    assert get_settings().log_level == "debug"


def test_a_nested_variable_sets_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two underscores reach into the time limits."""
    monkeypatch.setenv("MNEMO_TIMEOUTS__GIT_CLONE", "12.5")

    assert get_settings().timeouts.git_clone == 12.5


def test_a_safety_net_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two underscores reach into the features; the others stay on."""
    monkeypatch.setenv("MNEMO_FEATURES__BREAKERS", "false")

    off = [name for name, on in get_settings().features if not on]

    assert off == ["breakers"]


@pytest.mark.parametrize("name", ["DATABASE_URL", "HOME", "LOG_LEVEL"])
def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Compose files pass empty variables on."""
    unset = get_settings()
    get_settings.cache_clear()
    monkeypatch.setenv(f"MNEMO_{name}", "")

    assert unset == get_settings().model_copy(update={"worker_id": unset.worker_id})


def test_processes_in_other_folders_are_told_absolute_paths(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A relative path means the folder in which the command was given."""
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, value in (("HOME", "home"), ("TEXT_MODEL", "model"), ("CODE_MODEL", "org/model")):
        monkeypatch.setenv(f"MNEMO_{name}", value)

    passed_on = get_settings().child_environment()

    assert passed_on["MNEMO_HOME"] == str(tmp_path / "home")
    assert passed_on["MNEMO_TEXT_MODEL"] == str(tmp_path / "model")
    assert passed_on["MNEMO_CODE_MODEL"] == "org/model"


def test_urls_are_hidden_when_settings_are_shown() -> None:
    """A password in a URL never reaches a log."""
    settings = Settings.model_validate({"database_url": "postgresql://u:hunter2@h/d"})

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MNEMO_DATABASE_URL", "mysql://h/d", "postgresql://"),
        ("MNEMO_BROKER_URL", "kafka://h", "redis://"),
        ("MNEMO_MAX_ATTEMPTS", "0", "MNEMO_MAX_ATTEMPTS"),
        ("MNEMO_ENCODER", "magic", "hash"),
        ("MNEMO_TIMEOUTS__LEASE", "5", "lease"),
        ("MNEMO_TIMEOUTS__LEASE", "55", "60 s"),
        ("MNEMO_TIMEOUTS__NOPE", "1", "MNEMO_TIMEOUTS__NOPE"),
    ],
)
def test_a_wrong_value_is_explained(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    """The message names the setting or what it accepts."""
    monkeypatch.setenv(name, value)
    if name == "MNEMO_BROKER_URL":
        monkeypatch.setenv("MNEMO_DATABASE_URL", "postgresql://h/d")

    with pytest.raises(ConfigurationError, match=says):
        get_settings()


def test_a_broker_without_a_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of an outside installation is a mistake."""
    monkeypatch.setenv("MNEMO_BROKER_URL", "redis://h/0")

    with pytest.raises(ConfigurationError, match="MNEMO_DATABASE_URL"):
        get_settings()


def test_a_wrong_password_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error message shows what is accepted, not what was given."""
    monkeypatch.setenv("MNEMO_DATABASE_URL", "mysql://u:hunter2@h/d")

    with pytest.raises(ConfigurationError) as caught:
        get_settings()

    assert "hunter2" not in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    """What was validated is what runs."""
    with pytest.raises(ValueError, match="frozen"):
        get_settings().home = Path("/")  # type: ignore[misc]  # that is what is tested


def test_a_relative_home_is_made_absolute() -> None:
    """Workers run in another folder than the command."""
    assert Settings(home=Path("here")).home == Path.cwd() / "here"
