"""Servers, and a runtime that indexes in this process, with the real stages and the real encoder.

Every index is a database of its own, named after all that decides what is in it, so that a second
run finds it.
"""

import hashlib
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import text

import tasks.embed
import tasks.parse
from bench.retrieval.corpus import Corpus, Names
from bench.retrieval.decisions import AS_IS, Decisions
from bench.retrieval.vectors import RememberingEncoder
from config.settings import Settings
from schema import model_roles, receipts, runs
from schema.database import Database
from schema.migrate import migrate
from schema.revision import CURRENT
from schema.statistics import refresh_statistics
from tasks.breaker import Breaker
from tasks.discover.source import parse_source
from tasks.embed.encoder import Encoder
from tasks.embed.models import model_for
from tasks.parse.sandbox import Sandbox
from tasks.runtime import Runtime
from tasks.settle import settle
from tasks.work import work
from workers.embedded.home import Endpoints, Home
from workers.embedded.servers import Servers
from workers.launch import with_endpoints

DUE = text("SELECT id, stage FROM batches WHERE state IN ('pending', 'leased') ORDER BY id")


class BenchRuntime(Runtime):
    """A worker's tools, with vectors that are kept, and decisions that may be others."""

    def __init__(self, settings: Settings, database: Database, decisions: Decisions) -> None:
        super().__init__(settings, database)
        self._decisions = decisions
        self._remembering: dict[str, RememberingEncoder] = {}

    @cached_property
    def sandbox(self) -> Sandbox:
        """As a worker's, with the parser of the decisions."""
        limits = [str(self.settings.parse_memory_mib), str(os.getpid())]
        return Sandbox(
            parse_seconds=self.settings.timeouts.tree_sitter_parse,
            memory_mib=self.settings.parse_memory_mib,
            files_per_process=self.settings.parse_files_per_process,
            argv=[*self._decisions.parser(), *limits],
        )

    def encoder(self, model_id: int, breaker: Breaker | None = None) -> Encoder:
        """As a worker's, with a memory."""
        model = self.model(model_id)
        if model.key not in self._remembering:
            file = self.settings.home / "vectors.sqlite"
            self._remembering[model.key] = RememberingEncoder(
                super().encoder(model_id, breaker), model.key, file
            )
        return self._remembering[model.key]

    def bare_encoder(self, space: str) -> Encoder:
        """Without the memory, to take the time of it."""
        with self.database.reading() as connection:
            return super().encoder(model_roles.roles(connection)[space].live)

    def close(self) -> None:
        """Closes the memory, too."""
        for encoder in self._remembering.values():
            encoder.close()
        super().close()


@dataclass(frozen=True, slots=True)
class Laboratory:
    """Running servers and what is indexed in them."""

    settings: Settings
    endpoints: Endpoints

    @contextmanager
    def index(
        self, corpus: Corpus, names: Names, decisions: Decisions = AS_IS
    ) -> Iterator["Index"]:
        """One variant of a set, indexed where it is not yet."""
        key = self._key(corpus, names, decisions)
        name = f"bench_{key[:16]}"
        if not self._exists(name):
            self._make(name, corpus, names, decisions)
        with self._runtime(name, decisions) as runtime:
            yield Index(key, corpus, names, runtime)

    def _make(self, name: str, corpus: Corpus, names: Names, decisions: Decisions) -> None:
        """Under another name until it is whole."""
        print(f"indexing {corpus.name}, names {names}, {decisions.name} …", file=sys.stderr)
        building = f"{name}_building"
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", building)
        self._execute("CREATE DATABASE {}", building)
        with self._runtime(building, decisions) as runtime, decisions.taken():
            migrate(runtime.database)
            for folder in sorted(corpus.root(names).iterdir()):
                receipt = _indexed(runtime, folder)
                files = sum(1 for _ in folder.rglob("*.py"))
                assert receipt["state"] == "succeeded", receipt
                assert receipt["files"]["indexed"] == files, receipt
            with runtime.database.autocommit() as connection:
                refresh_statistics(connection)  # as the reconciler does
        self._execute("ALTER DATABASE {} RENAME TO {}", building, name)

    @contextmanager
    def _runtime(self, name: str, decisions: Decisions) -> Iterator[BenchRuntime]:
        url = self._url(name)
        with Database(url, self.settings.timeouts) as database:
            runtime = BenchRuntime(self.settings, database, decisions)
            try:
                yield runtime
            finally:
                runtime.close()

    def _key(self, corpus: Corpus, names: Names, decisions: Decisions) -> str:
        """Of all that decides what an index holds."""
        digest = hashlib.sha256(repr((corpus.digest, names, decisions.name, CURRENT)).encode())
        for space in ("text", "code"):
            digest.update(model_for(self.settings, space).key.encode())
        digest.update(sources_digest(tasks.parse, tasks.embed))
        if decisions is not AS_IS:
            digest.update(Path(__file__).with_name("decisions.py").read_bytes())
        return digest.hexdigest()

    def _url(self, database: str) -> str:
        return self.endpoints.database_url.get_secret_value().rpartition("/")[0] + f"/{database}"

    def _exists(self, name: str) -> bool:
        with psycopg.connect(self._url("mnemo")) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            return found.fetchone() is not None

    def _execute(self, statement: Any, *names: str) -> None:
        with psycopg.connect(self._url("mnemo"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@dataclass(frozen=True, slots=True)
class Index:
    """One indexed variant. `key` changes whenever its content may."""

    key: str
    corpus: Corpus
    names: Names
    runtime: BenchRuntime


@contextmanager
def laboratory(cache: Path) -> Iterator[Laboratory]:
    """Servers in a home of their own under `cache`; stopped at the end.

    Raises:
        SystemExit: another process uses them.
    """
    settings = Settings.model_validate({"home": cache / "home"})
    owned = Home(settings.home).own()
    if owned is None:
        raise SystemExit(f"another benchmark runs in {cache}: wait for it, or give --cache another")
    with owned, Servers(owned) as servers:
        yield Laboratory(with_endpoints(settings, servers.endpoints), servers.endpoints)


def sources_digest(*packages: Any) -> bytes:
    """Of every file of code and every query of some packages."""
    digest = hashlib.sha256()
    for package in packages:
        for file in sorted(Path(package.__file__).parent.rglob("*")):
            if file.suffix in (".py", ".scm"):
                digest.update(file.read_bytes())
    return digest.digest()


def _indexed(runtime: Runtime, folder: Path) -> dict[str, Any]:
    """The receipt of a folder that was indexed to its end."""
    source = parse_source(str(folder))
    with runtime.database.transaction("enqueue") as connection:
        asked = runs.enqueue(
            connection,
            kind=source.kind,
            location=source.location,
            name=folder.name,
            default_name=folder.name,
            ref=None,
            worktree=False,
            correlation_id=uuid.uuid4().hex,
        )
    while due := _due(runtime):
        for batch in due:
            work(runtime, batch.stage, batch.id)
    settle(runtime)
    with runtime.database.reading() as connection:
        return receipts.receipt(connection, asked.run_id)


def _due(runtime: Runtime) -> list[Any]:
    with runtime.database.reading() as connection:
        return list(connection.execute(DUE))
