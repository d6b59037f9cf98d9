"""What a worker process holds for its whole life: settings, database, and the tools of its stages.

Built on first use, because each is expensive and no process needs them all: torch or OpenVINO is
loaded only where something is embedded, a parser process started only where something is parsed.
"""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from typing import Self, TypeVar

from sqlalchemy import Connection

from config.errors import EncoderUnavailableError
from config.settings import Settings, get_settings
from schema import model_roles
from schema.database import Database
from schema.model_roles import SPACES, Registered
from tasks.breaker import Breaker, Change
from tasks.breaker_changes import write_change
from tasks.breakers import Breakers
from tasks.embed.encoder import Encoder, load_encoder
from tasks.embed.models import locate, model_for, register
from tasks.parse.sandbox import Sandbox
from tasks.retrier import Retrier
from tasks.retry import Policy, policies
from tasks.tracking import Tracker

T = TypeVar("T")
ENCODERS = 2  # a model takes some hundred megabytes; a change of models needs two


class Runtime:
    """The tools of one process. Not for use by several threads, the database excepted."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.worker = settings.worker_id
        self.breakers = Breakers(enabled=settings.features.breakers)
        self.breakers.listen(self._write_change)
        self._encoders: OrderedDict[str, Encoder] = OrderedDict()
        self._models: dict[int, Registered] = {}

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

    def begin_models(self) -> None:
        """Makes the models of the settings the live ones, in a database that has none yet.

        Raises:
            ConfigurationError, EncoderUnavailableError: as `tasks.embed.models.resolve`.
        """
        with self.database.reading() as connection:
            begun = model_roles.roles(connection).keys() >= set(SPACES)
        if begun:
            return
        models = {space: model_for(self.settings, space) for space in SPACES}
        with self.database.transaction() as connection:
            live = {space: register(connection, model) for space, model in models.items()}
            model_roles.begin(connection, live)

    def model(self, model_id: int, connection: Connection | None = None) -> Registered:
        """A model that the database knows.

        Args:
            model_id: the model.
            connection: to ask by; None: one of its own. Who has one must not wait for another.

        Raises:
            EncoderUnavailableError: it was dropped.
        """
        if model_id not in self._models:
            with nullcontext(connection) if connection else self.database.reading() as asked:
                self._models = model_roles.registered(asked)
        if model_id not in self._models:
            raise EncoderUnavailableError(f"model {model_id} was dropped: `mnemo model status`")
        return self._models[model_id]

    def encoder(self, model_id: int, breaker: Breaker | None = None) -> Encoder:
        """The encoder of a model; of those that were loaded, the last `ENCODERS` are kept.

        Args:
            model_id: the model.
            breaker: guards the loading; None: the one of live models.

        Raises:
            EncoderUnavailableError: this host cannot load it.
            CircuitOpenError: loading it kept failing and is not tried for a while.
        """
        known = self.model(model_id)
        if known.key not in self._encoders:
            with (breaker or self.breakers.encoder()).guard():
                self._encoders[known.key] = load_encoder(self.settings, locate(known))
            if len(self._encoders) > ENCODERS:
                self._encoders.popitem(last=False)
        self._encoders.move_to_end(known.key)
        return self._encoders[known.key]

    def _write_change(self, change: Change) -> None:
        write_change(self.database, self.worker, change)

    def close(self) -> None:
        """Ends the parser process, writes what is left of the errors, closes the connections."""
        if "sandbox" in self.__dict__:
            self.sandbox.close()
        if "errors" in self.__dict__:
            self.errors.close()
        self.database.close()
