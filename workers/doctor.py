"""Is this installation fit to run? Looks at what is installed; starts nothing.

Apart from `health.py`, which asks whether what runs works: this one explains why nothing starts.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from sqlalchemy import text

from config.errors import (
    EXIT_COULD_NOT_RUN,
    EXIT_DEPENDENCY_DOWN,
    EXIT_DONE,
    ConfigurationError,
    MnemoError,
    TransientError,
)
from config.scrub import scrub
from config.settings import Settings
from schema.database import Database
from tasks.doorbells import Doorbells
from tasks.embed.encoder import describe_encoder
from workers.app import create_app
from workers.embedded.binaries import find_postgres, find_valkey
from workers.embedded.home import Home
from workers.launch import with_endpoints

OLDEST_PYTHON = (3, 11)
OLDEST_GIT = (2, 36)  # the first that heeds `safe.directory=*` of the command line
GIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `exit_code` is 0 where all is well."""

    name: str
    exit_code: int
    detail: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Makes every check, one after another; a failing one does not keep the next from it."""
    connected = _connected(settings)
    checks: dict[str, Callable[[], str]] = {
        "python": _python,
        "packages": _packages,
        "git": _git,
        "home": lambda: _home(settings.home),
        "model text": lambda: describe_encoder(settings.without_urls(), "text"),
        "model code": lambda: describe_encoder(settings.without_urls(), "code"),
    }
    if settings.embedded:
        checks["postgresql programs"] = lambda: str(find_postgres(settings.pg_bin).folder)
        checks["broker program"] = lambda: str(find_valkey(settings.valkey_bin))
    checks["database"] = lambda: _database(connected)
    checks["broker"] = lambda: _broker(connected)
    for name, check in checks.items():
        yield _finding(name, check)


def verdict(findings: list[Finding]) -> int:
    """The exit code: 2 where something must be repaired, 3 where only a server is down."""
    codes = {finding.exit_code for finding in findings}
    return next((c for c in (EXIT_COULD_NOT_RUN, EXIT_DEPENDENCY_DOWN) if c in codes), EXIT_DONE)


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, EXIT_DONE, check())
    except TransientError as exc:
        return Finding(name, EXIT_DEPENDENCY_DOWN, str(exc))
    except MnemoError as exc:
        return Finding(name, EXIT_COULD_NOT_RUN, str(exc))


def _connected(settings: Settings) -> Settings:
    """The settings, pointed at the embedded servers where they run."""
    endpoints = Home(settings.home).endpoints() if settings.embedded else None
    return with_endpoints(settings, endpoints) if endpoints else settings


def _python() -> str:
    if sys.version_info < OLDEST_PYTHON:
        raise ConfigurationError("Python 3.11 or newer is needed")
    return f"{sys.version.split()[0]} at {sys.executable}"


def _packages() -> str:
    """What pip was told to install is there, in the versions it was told."""
    wanted = [Requirement(line) for line in requires("mnemolite") or ()]
    wanted = [item for item in wanted if item.marker is None or item.marker.evaluate({"extra": ""})]
    wrong = [problem for item in wanted if (problem := _problem(item))]
    if wrong:
        raise ConfigurationError(f"{', '.join(wrong)}: run `make setup` or reinstall mnemolite")
    return f"mnemolite {version('mnemolite')}, {len(wanted)} packages"


def _problem(wanted: Requirement) -> str | None:
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return f"{wanted.name} is missing"
    if not wanted.specifier.contains(found, prereleases=True):
        return f"{wanted.name} is {found}, needed is {wanted.specifier}"
    return None


def _git() -> str:
    program = shutil.which("git")
    if program is None:
        raise ConfigurationError("git is not on the PATH: install it (apt-get install git)")
    try:
        printed = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        raise ConfigurationError(f"{program} does not run: {scrub(str(exc))}") from exc
    found = re.search(r"(\d+)\.(\d+)", printed)
    if found is None or tuple(map(int, found.groups())) < OLDEST_GIT:
        raise ConfigurationError(f"{printed.strip()} is too old: git 2.36 or newer is needed")
    return printed.strip()


def _home(home: Path) -> str:
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{place} cannot be written to: set MNEMO_HOME")
    return str(home) if place == home else f"{home} (will be created)"


def _database(settings: Settings) -> str:
    if settings.database_url is None:
        return "does not run; the first command that needs it starts it"
    with Database.from_settings(settings, size=1, name="mnemo doctor") as database:
        database.ping()
        with database.reading() as connection:
            number = connection.execute(text("SHOW server_version")).scalar_one()
            vector = connection.execute(
                text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            ).scalar()
    if vector is None:
        raise ConfigurationError("the database lacks pgvector: run `mnemo db migrate`")
    return f"PostgreSQL {number}, pgvector {vector}"


def _broker(settings: Settings) -> str:
    if settings.broker_url is None:
        return "does not run; the first command that needs it starts it"
    with Doorbells(create_app(settings)).connected() as line:
        line.depth("discover")
    return "answers"
