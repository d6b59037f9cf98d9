"""The models that the database knows, and which of them is what in each space.

One lock orders what depends on that: who writes by the live models holds it shared until the
commit, who changes them takes it alone. So nobody ends work for a model that was just replaced.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

SPACES = ("text", "code")
MODELS_LOCK = 0x6D6F64656C73  # "models"

ROLES = text("""
SELECT space, live_model_id, previous_model_id, candidate_model_id FROM model_roles
""")

BEGIN = text("""
INSERT INTO model_roles (space, live_model_id) VALUES (:space, :model_id) ON CONFLICT DO NOTHING
""")

NOMINATE = text("""
UPDATE model_roles SET candidate_model_id = :model_id, candidate_since = clock_timestamp()
 WHERE space = :space
""")

SWITCH = text("""
UPDATE model_roles SET previous_model_id = live_model_id, live_model_id = :model_id,
       candidate_model_id = nullif(candidate_model_id, :model_id)
 WHERE space = :space
""")

RETIRE = text("""
UPDATE model_roles SET previous_model_id = nullif(previous_model_id, :model_id),
       candidate_model_id = nullif(candidate_model_id, :model_id)
""")

# For a moment two transactions may both find the model missing.
REGISTER = text("""
INSERT INTO embedding_models (key, name, setting) VALUES (:key, :name, :setting)
ON CONFLICT (key) DO UPDATE SET setting = excluded.setting RETURNING id
""")

STORED = text("""
SELECT model_id, space, count(*) AS vectors FROM embeddings GROUP BY model_id, space
""")


@dataclass(frozen=True, slots=True)
class Registered:
    """A model of the database: what loads it (`setting`) and what identifies its vectors."""

    id: int
    key: str
    name: str
    setting: str


@dataclass(frozen=True, slots=True)
class Role:
    """The models of a space, by id."""

    space: str
    live: int
    previous: int | None
    candidate: int | None


def hold(connection: Connection) -> None:
    """Keeps the models of every space as they are until this transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": MODELS_LOCK})


def hold_alone(connection: Connection) -> None:
    """Waits until nobody writes by the models, and lets nobody begin; before they are changed.

    Raises:
        ConflictError: somebody held them for too long.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MODELS_LOCK})


def roles(connection: Connection) -> dict[str, Role]:
    """The models of each space; empty before anything was indexed."""
    return {row.space: Role(*row) for row in connection.execute(ROLES)}


def begin(connection: Connection, live: Mapping[str, int]) -> None:
    """Makes models live in spaces that have none; others stay as they are."""
    for space, model_id in live.items():
        connection.execute(BEGIN, {"space": space, "model_id": model_id})


def nominate(connection: Connection, space: str, model_id: int) -> None:
    """Makes a model the candidate of a space."""
    connection.execute(NOMINATE, {"space": space, "model_id": model_id})


def switch(connection: Connection, space: str, model_id: int) -> None:
    """Makes a model the live one of a space, and the live one its predecessor."""
    connection.execute(SWITCH, {"space": space, "model_id": model_id})


def retire(connection: Connection, model_id: int) -> None:
    """Takes from a model every role but that of the live one."""
    connection.execute(RETIRE, {"model_id": model_id})


def register(connection: Connection, *, key: str, name: str, setting: str) -> int:
    """The integer that stands for a model; `setting` is where it was last seen."""
    named = {"key": key, "name": name, "setting": setting}
    model_id: int = connection.execute(REGISTER, named).scalar_one()
    return model_id


def registered(connection: Connection) -> dict[int, Registered]:
    """Every model that the database knows, by id."""
    rows = connection.execute(text("SELECT id, key, name, setting FROM embedding_models"))
    return {row.id: Registered(*row) for row in rows}


def stored(connection: Connection) -> dict[int, dict[str, int]]:
    """How many vectors each model has, by space."""
    found: dict[int, dict[str, int]] = {}
    for row in connection.execute(STORED):
        found.setdefault(row.model_id, {})[row.space] = row.vectors
    return found


def existing(connection: Connection, ids: Iterable[int]) -> set[int]:
    """Those of the models that were not dropped."""
    found = connection.execute(
        text("SELECT id FROM embedding_models WHERE id = ANY(:ids)"), {"ids": list(ids)}
    )
    return set(found.scalars())
