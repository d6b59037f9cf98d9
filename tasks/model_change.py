"""Changing the embedding model: a candidate beside the live one, the switch, and the way back.

    add ──► candidate: its vectors of every live snapshot are made, after all other work
              │ promote: one transaction                 drop: its vectors are deleted
              ▼
            live ◄── rollback ──► previous

The ledger holds the work like any other, so that a change goes on after any kill. What decides
whether a candidate is good enough is measured elsewhere (`search/promotion.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from config.errors import BadInputError, ConflictError, EncoderUnavailableError
from config.logging import get_logger
from schema import audit, model_roles, model_switch, model_work, runs, vector_index
from schema.model_roles import Registered, Role
from tasks.embed.encoder import load_encoder
from tasks.embed.models import Model, is_hash, register, resolve
from tasks.runtime import Runtime

MAX_DIMENSIONS = 4_000  # of a halfvec in an HNSW index (pgvector's README)
PROBE = "def read_file(path): return open(path).read()"
log = get_logger("model")


def add(runtime: Runtime, setting: str, spaces: Sequence[str], *, actor: str) -> int:
    """Makes a model the candidate of `spaces` and asks for its vectors; returns its id.

    Raises:
        BadInputError: nothing is indexed yet, the model is live already, or another is candidate.
        ConfigurationError: there is no such model.
        EncoderUnavailableError: it cannot be loaded here.
    """
    model = check(runtime, setting)
    with runtime.database.transaction("model.add") as connection:
        model_roles.hold_alone(connection)
        roles = model_roles.roles(connection)
        if not roles:
            raise BadInputError(
                "nothing is indexed yet: MNEMO_TEXT_MODEL and MNEMO_CODE_MODEL choose the first"
            )
        model_id = register(connection, model)
        free = [space for space in spaces if _is_free(connection, roles[space], model_id)]
        for space in free:
            model_roles.nominate(connection, space, model_id)
        entry = _note(connection, actor, "add", dict.fromkeys(spaces, model.setting), len(spaces))
        audit.add_changed(connection, entry, len(free))
        runs.announce(connection)
    enqueue_missing(runtime)
    log.info("model.added", model=model.name, spaces=list(spaces))
    return model_id


def check(runtime: Runtime, setting: str) -> Model:
    """The model of a setting, once it was loaded and gave a vector that can be stored."""
    folder = Path(setting).expanduser()
    model = resolve(str(folder.absolute()) if folder.is_dir() else setting)
    if is_hash(model.setting) and runtime.settings.encoder != "hash":
        raise BadInputError(f"{setting} is for tests, with MNEMO_ENCODER=hash")
    vectors = load_encoder(runtime.settings, model).encode([PROBE])
    if np.isnan(vectors).any() or vectors.shape[1] > MAX_DIMENSIONS:
        raise EncoderUnavailableError(
            f"the model {model.name} gives no usable vector: {vectors.shape[1]} dimensions,"
            f" at most {MAX_DIMENSIONS:,} can be stored"
        )
    return model


def enqueue_missing(runtime: Runtime) -> int:
    """Makes batches of what live snapshots lack for candidates, a transaction for each snapshot.

    Returns:
        How many snapshots were looked through. Safe to be called by anybody, at any time.
    """
    settings, seen = runtime.settings, 0
    while _is_unseen(runtime):
        with runtime.database.transaction("model.enqueue") as connection:
            run_id = model_work.enqueue_next(
                connection, max_bytes=settings.batch_bytes, max_blobs=settings.batch_files
            )
            if run_id is None:
                break
            runs.announce(connection)
        seen += 1
    return seen


def promote(
    runtime: Runtime, candidates: Mapping[str, int], *, actor: str, force: bool = False
) -> int:
    """Makes candidates live, all in one transaction; returns how many snapshots were switched.

    Args:
        runtime: its database.
        candidates: by space, as they were examined.
        actor: who asks, for the audit log.
        force: although vectors are missing; they are then made as fresh work.

    Raises:
        ConflictError: the candidates changed, or vectors became missing, since they were examined.
    """
    return _switch(runtime, candidates, "promote", actor=actor, force=force)


def rollback(
    runtime: Runtime, previous: Mapping[str, int], *, actor: str, force: bool = False
) -> int:
    """Makes the models live again that were so before; as `promote`."""
    return _switch(runtime, previous, "rollback", actor=actor, force=force)


def drop(
    runtime: Runtime,
    model: Registered,
    *,
    actor: str,
    progress: Callable[[int], None] = lambda _deleted: None,
) -> int:
    """Deletes a model that is not live, with its vectors and indexes; returns how many vectors.

    A call that is interrupted has taken its roles and deleted whole slices; the same call goes on.

    Raises:
        BadInputError: it is live, or a snapshot still names it.
    """
    with runtime.database.transaction("model.drop") as connection:
        model_roles.hold_alone(connection)
        _require_unused(connection, model)
        model_roles.retire(connection, model.id)
        model_switch.forget_failures(connection, model.id)
        entry = _note(connection, actor, "drop", {"model": model.setting}, 0)
    with runtime.database.autocommit() as connection:
        vector_index.drop(connection, model.id)
    deleted, left = 0, True
    while left:
        with runtime.database.transaction("model.drop") as connection:
            model_roles.hold_alone(connection)
            count = model_switch.delete_slice(connection, model.id)
            audit.add_changed(connection, entry, count)
            left = count > 0
            if not left:
                model_switch.delete_model(connection, model.id)
        deleted += count
        progress(deleted)
    log.info("model.dropped", model=model.name, vectors=deleted)
    return deleted


def _switch(
    runtime: Runtime, wanted: Mapping[str, int], action: str, *, actor: str, force: bool
) -> int:
    switched = 0
    with runtime.database.transaction("model.switch") as connection:
        model_roles.hold_alone(connection)
        roles = model_roles.roles(connection)
        for space, model_id in wanted.items():
            role = roles[space]
            if model_id != (role.candidate if action == "promote" else role.previous):
                raise ConflictError(f"the {space} models have changed meanwhile: look again")
            progress = model_work.progress(connection, space, model_id)
            lacking = [row.snapshot_id for row in progress if row.missing]
            if not force and (lacking or any(row.failed for row in progress)):
                raise ConflictError(f"{space} vectors have become missing meanwhile: look again")
            switched += model_switch.switch_snapshots(connection, space, model_id, progress)
            model_switch.reopen(connection, lacking)
            model_roles.switch(connection, space, model_id)
        known = model_roles.registered(connection)
        named = {space: known[model_id].setting for space, model_id in wanted.items()}
        entry = _note(connection, actor, action, named, len(wanted))
        audit.add_changed(connection, entry, switched)
        runs.announce(connection)
    log.info("model.switched", action=action, models=named, snapshots=switched)
    return switched


def _is_unseen(runtime: Runtime) -> bool:
    with runtime.database.reading() as connection:
        return model_work.is_unseen(connection)


def _is_free(connection: Connection, role: Role, model_id: int) -> bool:
    """Whether the model can become the candidate; False where it is that already.

    Raises:
        BadInputError: it is live, or another is candidate.
    """
    if role.live == model_id:
        raise BadInputError(f"this is the live {role.space} model already")
    if role.candidate not in (None, model_id):
        other = model_roles.registered(connection)[role.candidate or 0]
        raise BadInputError(
            f"{other.name} is the {role.space} candidate already: promote or drop it first"
        )
    return role.candidate is None


def _require_unused(connection: Connection, model: Registered) -> None:
    roles = model_roles.roles(connection).values()
    live = [role.space for role in roles if role.live == model.id]
    if live:
        raise BadInputError(f"{model.name} is the live {' and '.join(live)} model")
    if repositories := model_switch.used_by(connection, model.id):
        raise BadInputError(
            f"{', '.join(repositories)} still live on {model.name}: index them again first"
        )


def _note(
    connection: Connection, actor: str, action: str, wanted: Mapping[str, object], matched: int
) -> int:
    return audit.begin(
        connection, actor=actor, action=f"model.{action}", wanted=dict(wanted), matched=matched
    )
