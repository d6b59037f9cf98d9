"""A change of models in one process: what tests ask of it, in few words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schema import digest, model_roles, model_work
from schema.model_roles import SPACES, Registered
from search.query import Answer, Searcher
from search.scope import Scope
from tasks import model_change
from tasks.settle import settle
from tests.harness import PYTHON, Pipeline

ACTOR = "somebody@somewhere"
FILES: dict[str, str] = {
    "greet.py": PYTHON,
    "part.py": "def take_leave(name):\n    return f'Goodbye, {name}!'\n",
    "notes.md": "# Notes\n\nHow people are greeted, and how they part.\n",
}


@dataclass(frozen=True, slots=True)
class Change:
    """Adds, fills and switches models of the pipeline's database."""

    pipeline: Pipeline

    def add(self, setting: str = "hash-2", *spaces: str) -> int:
        """Makes a model the candidate of `spaces`, or of both."""
        return model_change.add(self.pipeline.runtime, setting, spaces or SPACES, actor=ACTOR)

    def fill(self) -> None:
        """Makes all vectors that are wanted, as workers would."""
        model_change.enqueue_missing(self.pipeline.runtime)
        while True:
            settle(self.pipeline.runtime)
            if not self.pipeline.drain():
                return

    def promote(self, *, force: bool = False) -> int:
        """Makes the candidates live."""
        with self.pipeline.runtime.database.reading() as connection:
            roles = model_roles.roles(connection)
        wanted = {space: role.candidate for space, role in roles.items() if role.candidate}
        return model_change.promote(self.pipeline.runtime, wanted, actor=ACTOR, force=force)

    def rollback(self, *, force: bool = False) -> int:
        """Makes the previous models live."""
        with self.pipeline.runtime.database.reading() as connection:
            roles = model_roles.roles(connection)
        wanted = {space: role.previous for space, role in roles.items() if role.previous}
        return model_change.rollback(self.pipeline.runtime, wanted, actor=ACTOR, force=force)

    def drop(self, name: str) -> int:
        """Deletes a model."""
        return model_change.drop(self.pipeline.runtime, self.named(name), actor=ACTOR)

    def named(self, name: str) -> Registered:
        """The model of this name."""
        with self.pipeline.runtime.database.reading() as connection:
            known = model_roles.registered(connection)
        return next(model for model in known.values() if model.name == name)

    def roles(self) -> dict[str, tuple[str | None, ...]]:
        """Live, previous and candidate model of each space, by name."""
        with self.pipeline.runtime.database.reading() as connection:
            known = model_roles.registered(connection)
            found = model_roles.roles(connection).values()
        names = {None: None} | {model_id: model.name for model_id, model in known.items()}
        return {
            role.space: (names[role.live], names[role.previous], names[role.candidate])
            for role in found
        }

    def missing(self, model_id: int) -> list[int]:
        """How many vectors of a model each live snapshot lacks, for both spaces."""
        with self.pipeline.runtime.database.reading() as connection:
            return [
                row.missing
                for space in SPACES
                for row in model_work.progress(connection, space, model_id)
            ]

    def digest(self) -> Sequence[str]:
        """Of every live snapshot."""
        with self.pipeline.runtime.database.reading() as connection:
            live = [row.id for row in self.live()]
            return [digest.digest(connection, snapshot_id) for snapshot_id in live]

    def live(self) -> list[Any]:
        """The live snapshots."""
        return self.pipeline.sql(
            "SELECT s.* FROM refs r JOIN snapshots s ON s.id = r.live_snapshot_id ORDER BY s.id"
        )

    def search(self, query: str = "greet a person", *, mode: Any = "vector") -> Answer:
        """A search over everything, by a process of its own."""
        return Searcher(self.pipeline.runtime).search(query, scope=Scope(), mode=mode)
