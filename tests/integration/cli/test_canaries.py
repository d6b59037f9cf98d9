"""Nothing secret gets out: planted everywhere, found nowhere.

Secrets of every shape are planted in files, their names, the commit, the repository's settings and
in every kind of error; then the whole database, the logs, and whatever the command prints are
searched for them.
"""

import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.errors import (
    BrokerUnavailableError,
    ConfigurationError,
    EncoderUnavailableError,
    MnemoError,
    ParseError,
    RemoteUnavailableError,
)
from config.logging import get_logger, setup_logging
from config.settings import Settings, get_settings
from mnemolite.cli import main
from schema.database import Database
from tasks import work as work_module
from tasks.discover.redact import redact
from tasks.doorbells import Doorbells
from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.replay import replay_embedding
from tasks.reconcile import Reconciler
from tasks.runtime import Runtime
from tasks.settle import settle
from tasks.work import work
from tests.canaries import CANARIES, IN_CONTEXT, PEM, PERSONAL, TOKENS
from tests.harness import PYTHON, Pipeline, git
from workers.app import create_app
from workers.embedded.binaries import find_postgres

Make = Callable[..., Path]
Run = Callable[..., str]
GITHUB = CANARIES["github-token"][0]

# What must be found nowhere, lexemes being in lower case. Shorter ones are parts of words.
SECRETS = [
    *(token for _, token in TOKENS),
    *(secret for _, _, secret in IN_CONTEXT),
    *(secret for _, secret in PERSONAL.values()),
    *("c4NaRy", "jcanary"),
]
NEEDLES = {secret.lower() for secret in SECRETS if len(secret) > 5}

# In code: only what is redacted there. In a message: everything.
SOURCE = "\n".join(
    [f'KEY_{n} = "{token}"' for n, (_, token) in enumerate(TOKENS)]
    + [f"# {template.format(secret)}" for _, template, secret in IN_CONTEXT]
    + [f"PEM = '''{PEM}'''", "def deploy_service():", f'    return "{GITHUB}"', ""]
)
MESSAGE = "; ".join(
    [
        *(text for text, _ in PERSONAL.values()),
        *(token for _, token in TOKENS),
        *(template.format(secret) for _, template, secret in IN_CONTEXT),
        PEM,
    ]
)
BAD = "def bad():\n    return 1\n"


class LeakyEncoder(HashEncoder):
    """Fails for what says so, with a message that tells everything."""

    def encode(self, texts: Any) -> Any:
        """All vectors or none."""
        if any("POISON" in text for text in texts):
            raise EncoderUnavailableError(MESSAGE)
        return super().encode(texts)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """What a command sets up for its process ends with the test."""
    root = logging.getLogger()
    before = list(root.handlers), root.level, sys.excepthook, threading.excepthook
    raising = logging.raiseExceptions
    yield
    root.handlers[:], level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)
    logging.raiseExceptions = raising


@pytest.fixture
def mnemo(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs the command in this process; returns all that it printed, on stdout and stderr."""
    assert settings.database_url is not None
    assert settings.broker_url is not None
    monkeypatch.setenv("MNEMO_HOME", str(settings.home))
    monkeypatch.setenv("MNEMO_ENCODER", "hash")
    monkeypatch.setenv("MNEMO_LOG_LEVEL", "debug")
    urls = {
        "MNEMO_DATABASE_URL": settings.database_url.get_secret_value(),
        "MNEMO_BROKER_URL": settings.broker_url.get_secret_value(),
    }

    def run(*arguments: str, **variables: str) -> str:
        for name, value in (urls | variables).items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        monkeypatch.setattr(sys, "argv", ["mnemo", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit):
            main()
        return "".join(capfd.readouterr())

    yield run
    get_settings.cache_clear()


def leaks(text: str) -> list[str]:
    """Which of the needles are in a text."""
    lower = text.lower()
    return sorted(needle for needle in NEEDLES if needle in lower)


def dump(settings: Settings) -> str:
    """The whole database as text."""
    assert settings.database_url is not None
    program = find_postgres(None).folder / "pg_dump"
    url = settings.database_url.get_secret_value()
    return subprocess.run([program, url], check=True, capture_output=True, text=True).stdout


def planted(make_repository: Make) -> Path:
    """A repository with secrets wherever one may be."""
    root = make_repository(
        {
            "app/settings.py": SOURCE,
            f"app/{GITHUB}.py": f"def deploy_{GITHUB[4:10]}():\n    return 1\n".replace(
                "c4NaRy", "it"
            ),
            "app/good.py": PYTHON,
            "app/bad.py": BAD,
            "app/poison.py": "def POISON():\n    return 1\n",
        }
    )
    git(root, "commit", "-q", "--allow-empty", "-m", MESSAGE)
    git(root, "branch", GITHUB)
    git(root, "tag", CANARIES["gitlab-token"][0])
    git(root, "remote", "add", "origin", f"https://jcanary:{GITHUB}@git.example.org/x.git")
    git(root, "config", "user.email", "jane.canary@example.org")
    git(root, "config", "http.extraHeader", "Authorization: Bearer c4NaRyc4NaRy")
    return root


def fail_with(error: Callable[[], Exception]) -> Callable[..., None]:
    """A stage that raises."""

    def failing(*_: object) -> None:
        raise error()

    return failing


def break_everything(pipeline: Pipeline, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes the repository with a failure of each kind, all of which tell too much."""
    runtime = pipeline.runtime
    pipeline.use(LeakyEncoder())
    real = runtime.sandbox.parse

    def picky(text: str, language: str, seconds: float) -> Any:
        if text == BAD:
            raise ParseError(MESSAGE)
        return real(text, language, seconds)

    monkeypatch.setattr(runtime.sandbox, "parse", picky)
    pipeline.ask(repository)
    pipeline.drain("discover")
    while pipeline.sql("SELECT 1 FROM batches WHERE state = 'pending'"):
        pipeline.sql("UPDATE batches SET next_attempt_at = now() WHERE state = 'pending'")
        pipeline.drain("parse", "embed", "persist")
    settle(runtime)
    for row in pipeline.sql("SELECT id FROM failed_embeddings"):
        replay_embedding(runtime, row.id, runtime.policy("embed.retry"))
    for name, error in {
        "unavailable": lambda: RemoteUnavailableError(MESSAGE),
        "misconfigured": lambda: ConfigurationError(MESSAGE),
        "defect": lambda: ValueError(MESSAGE),
    }.items():
        monkeypatch.setitem(work_module.STAGES, "discover", fail_with(error))
        asked = pipeline.ask(repository, name=name)
        for _ in range(runtime.settings.max_attempts if name == "defect" else 1):
            pipeline.sql("UPDATE batches SET next_attempt_at = now() WHERE state = 'pending'")
            work(runtime, "discover", asked.batch_id)
    for _ in range(6):
        with pytest.raises(MnemoError), runtime.breakers.broker().guard():
            raise BrokerUnavailableError(MESSAGE)
    _reconcile_without_broker(runtime)
    with (
        pytest.raises(MnemoError),
        Database(
            "postgresql://jcanary:c4NaRy-pw@127.0.0.1:1/mnemo", runtime.settings.timeouts
        ) as nowhere,
    ):
        nowhere.ping()
    try:
        raise ValueError(MESSAGE)  # noqa: TRY301 - to be caught
    except ValueError:
        get_logger("test").exception("test.defect", url="redis://:c4NaRy-pw@broker", all=[MESSAGE])
    runtime.errors.record("test", ValueError(MESSAGE), path="/home/jcanary/x.py", note=MESSAGE)
    runtime.errors.flush()


def _reconcile_without_broker(runtime: Runtime) -> None:
    nobody = SecretStr("redis://jcanary:c4NaRy-pw@127.0.0.1:1/0")
    app = create_app(runtime.settings.model_copy(update={"broker_url": nobody}))
    Reconciler(runtime, Doorbells(app)).tick()
    app.close()


LOOKS = [
    *(("failed", "list"), ("failed", "groups"), ("failed", "audit")),
    *(("errors", "list"), ("errors", "stats")),
    *(("status",), ("why", "repository"), ("why", "defect"), ("why", "unavailable")),
    *(("search", "deploy service key"), ("search", "settings", "--mode", "lexical")),
    *(("health",), ("doctor",), ("repos", "list"), ("queue", "list"), ("config", "show")),
    *(("worker", "list"), ("outline", "app/settings.py"), ("map",), ("verify", "repository")),
    *(("symbol", "deploy_service"), ("refs", "greet")),
]


def test_planted_secrets_are_found_nowhere(
    pipeline: Pipeline,
    make_repository: Make,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    mnemo: Run,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither in the database, nor in the logs, nor in anything that a command prints."""
    setup_logging(Settings(log_format="json", log_level="debug"), process="test")
    repository = planted(make_repository)
    break_everything(pipeline, repository, monkeypatch)
    logged = "".join(capfd.readouterr())
    outputs = {"logs": logged}
    failures = re.findall(r"\b(?:parse|embed|run)-[0-9a-f-]+", mnemo("failed", "list"))
    shows = [("failed", "show", failure) for failure in failures]
    for look in (*LOOKS, *shows):
        outputs[" ".join(look)] = mnemo(*look)
        outputs[" ".join((*look, "--json"))] = mnemo(*look, "--json")
    outputs["retry"] = mnemo("failed", "retry", "--text", GITHUB, "--yes")
    outputs["audit"] = mnemo("failed", "audit", "--json")
    outputs["url"] = mnemo("index", f"https://jcanary:{GITHUB}@git.example.org/x.git", "--json")
    outputs["name"] = mnemo("index", str(repository), "--no-wait", "--name", GITHUB)
    outputs["ref"] = mnemo("index", str(repository), "--no-wait", "--ref", GITHUB)
    outputs["no ref"] = mnemo("index", str(repository), "--no-wait", "--ref", "none")
    outputs["value"] = mnemo("search", "x", "--limit", GITHUB)
    outputs["term"] = mnemo("failed", "list", "--where", f"what={GITHUB}")
    outputs["broker down"] = mnemo(
        "health", "--json", MNEMO_BROKER_URL="redis://jcanary:c4NaRy-pw@127.0.0.1:1/0"
    )
    for arguments in (("health",), ("doctor",), ("status", "--json")):
        outputs[f"{arguments}, database down"] = mnemo(
            *arguments, MNEMO_DATABASE_URL="postgresql://jcanary:c4NaRy-pw@127.0.0.1:1/mnemo"
        )
    outputs["database"] = dump(settings)

    assert {name: leaks(text) for name, text in outputs.items() if leaks(text)} == {}
    assert len(failures) >= 5
    assert all(outputs.values())
    assert "ValueError" in logged
    assert "<redacted:github-token>" in outputs["database"]
    assert "<credentials>@" in outputs["database"]


def test_the_canaries_are_noticed() -> None:
    """The search is able to find each of them."""
    assert all(leaks(token) for _, token in TOKENS)
    assert all(leaks(text) for text, _ in PERSONAL.values())
    assert leaks(PEM)
    assert not leaks(redact(SOURCE).text)


def test_what_is_content_stays(pipeline: Pipeline, make_repository: Make, mnemo: Run) -> None:
    """E-mail addresses, home folders and words like password in code are code."""
    lines = [
        "def connect(password: str, token: int = 3) -> None:",
        '    """Ask jane@example.org; see /home/jane/notes.txt."""',
    ]
    pipeline.index(make_repository({"a.py": "\n".join([*lines, ""])}))

    for printed in (
        mnemo("search", "connect"),
        mnemo("search", "connect", "--json").replace('\\"', '"'),
    ):
        assert all(line.strip() in printed for line in lines)
    assert lines[0].removesuffix(":") in mnemo("symbol", "connect")
