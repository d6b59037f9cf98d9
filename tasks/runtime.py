"""What a worker process holds for its whole life: settings, database, and the tools of its stages.

Built on first use, because each is expensive and no process needs them all: torch or OpenVINO is
loaded only where something is embedded, a parser process started only where something is parsed.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Self, TypeVar

from sqlalchemy import Connection

from config.settings import Settings, get_settings
from schema.database import Database
from tasks.breaker import Change
from tasks.breaker_changes import write_change
from tasks.breakers import Breakers
from tasks.embed.encoder import Encoder, load_encoder
from tasks.embed.models import Model, model_for, register
from tasks.parse.sandbox import Sandbox
from tasks.retrier import Retrier
from tasks.retry import Policy, policies
from tasks.tracking import Tracker

T = TypeVar("T")


class Runtime:
    """The tools of one process. Not for use by several threads, the database excepted."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.worker = settings.worker_id
        self.breakers = Breakers(enabled=settings.features.breakers)
        self.breakers.listen(self._write_change)
        self._encoders: dict[str, Encoder] = {}
        self._model_ids: dict[str, int] = {}

    @classmethod
    def from_environment(cls) -> Self:
        """The runtime that this process's settings describe."""
        settings = get_settings()
        return cls(settings, Database.from_settings(settings, name="mnemolite worker"))

    @cached_property
    def errors(self) -> Tracker:
        """Where errors are counted; they may come from any thread."""
        return Tracker(self.database, enabled=self.settings.features.error_tracking)

    @cached_property
    def retrier(self) -> Retrier:
        """Tries again what may pass at once; with it every retry is counted among the errors."""
        return Retrier(policies(self.settings), record=self.errors.record)

    def policy(self, operation: str) -> Policy:
        """How `operation` is tried again."""
        return self.retrier.policy(operation)

    def transact(
        self, operation: str, body: Callable[[Connection], T], *, repeatable: bool = False
    ) -> T:
        """`body` in a transaction of its own; again from its beginning where it lost a race.

        Args:
            operation: names the retry policy, and the failpoint around the commit.
            body: may run several times: it takes its fence (`ledger.hold`) itself, and consumes
                nothing.
            repeatable: as of `Database.transaction`.

        Raises:
            ConflictError: it lost every race; nothing was written.
        """

        def attempt() -> T:
            with self.database.transaction(operation, repeatable=repeatable) as connection:
                return body(connection)

        return self.retrier.call(operation, attempt)

    @cached_property
    def sandbox(self) -> Sandbox:
        """The parser process; it is started again whenever it dies."""
        return Sandbox(
            parse_seconds=self.settings.timeouts.tree_sitter_parse,
            memory_mib=self.settings.parse_memory_mib,
            files_per_process=self.settings.parse_files_per_process,
        )

    def model(self, space: str) -> Model:
        """The model that this process is configured with for `space`."""
        return model_for(self.settings, space)

    def model_id(self, space: str) -> int:
        """The integer that stands for that model in this database."""
        model = self.model(space)
        if model.key not in self._model_ids:
            with self.database.transaction() as connection:
                self._model_ids[model.key] = register(connection, model)
        return self._model_ids[model.key]

    def encoder(self, space: str) -> Encoder:
        """The encoder for `space`; spaces with the same model share one.

        Raises:
            CircuitOpenError: loading it kept failing and is not tried for a while.
        """
        model = self.model(space)
        if model.key not in self._encoders:
            with self.breakers.encoder().guard():
                self._encoders[model.key] = load_encoder(self.settings, model)
        return self._encoders[model.key]

    def _write_change(self, change: Change) -> None:
        write_change(self.database, self.worker, change)

    def close(self) -> None:
        """Ends the parser process, writes what is left of the errors, closes the connections."""
        if "sandbox" in self.__dict__:
            self.sandbox.close()
        if "errors" in self.__dict__:
            self.errors.close()
        self.database.close()
