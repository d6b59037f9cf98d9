"""The whole pipeline in this process, without broker: each due batch is worked on until none is."""

import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from schema import model_roles, receipts, runs
from schema.runs import Asked
from tasks.discover.source import name_of, parse_source
from tasks.embed.encoder import Encoder
from tasks.embed.models import model_for
from tasks.runtime import Runtime
from tasks.settle import settle
from tasks.work import work

PYTHON = '''"""Greets people."""

import os


def greet(name):
    """Returns a friendly greeting for a person."""
    return f"Hello, {name}!"


class Greeter:
    """Remembers whom it greeted."""

    def __init__(self):
        self.seen = []

    def greet(self, name):
        """Greets a person once."""
        self.seen.append(name)
        return greet(name)
'''

DUE = text("""
SELECT id, stage FROM batches WHERE state = 'pending' AND next_attempt_at <= now() ORDER BY id
""")
WAITING = text("SELECT count(*) FROM batches WHERE state = 'pending'")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Asks for sources to be indexed and does the work."""

    runtime: Runtime

    def ask(
        self,
        folder: Path,
        *,
        name: str | None = None,
        ref: str | None = None,
        worktree: bool = False,
    ) -> Asked:
        """Enqueues a run."""
        source = parse_source(str(folder))
        with self.runtime.database.transaction("enqueue") as connection:
            return runs.enqueue(
                connection,
                kind=source.kind,
                location=source.location,
                name=name,
                default_name=name_of(source),
                ref=ref,
                worktree=worktree,
                correlation_id=uuid.uuid4().hex,
            )

    def use(self, encoder: Encoder) -> None:
        """Makes `encoder` the one of the settings' model in this process."""
        self.runtime._encoders[model_for(self.runtime.settings, "text").key] = encoder

    def live_model(self, space: str = "text") -> int:
        """The model that is live in a space."""
        self.runtime.begin_models()
        with self.runtime.database.reading() as connection:
            return model_roles.roles(connection)[space].live

    def drain(self, *stages: str) -> int:
        """Works on every due batch (of `stages`) until there is none; returns how many steps."""
        steps = 0
        while True:
            with self.runtime.database.reading() as connection:
                due = [row for row in connection.execute(DUE) if row.stage in (stages or row.stage)]
                waiting = connection.execute(WAITING).scalar_one()
            for row in due:
                steps += work(self.runtime, row.stage, row.id)
            if not due and (stages or not waiting):
                return steps

    def index(self, folder: Path, **options: Any) -> dict[str, Any]:
        """Indexes a source to its end; returns the receipt."""
        asked = self.ask(folder, **options)
        self.drain()
        settle(self.runtime)
        return self.receipt(asked)

    def receipt(self, asked: Asked) -> dict[str, Any]:
        """The receipt of a run as it stands."""
        with self.runtime.database.reading() as connection:
            return receipts.receipt(connection, asked.run_id)

    def sql(self, statement: str, **parameters: Any) -> list[Any]:
        """The rows of one statement."""
        with self.runtime.database.transaction() as connection:
            result = connection.execute(text(statement), parameters)
            return list(result) if result.returns_rows else []


def git(folder: Path, *arguments: str) -> str:
    """Runs git in a folder."""
    return subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
