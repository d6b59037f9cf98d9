"""Changing which model is live: every snapshot in one transaction; and deleting a model's vectors.

All of it under `model_roles.hold_alone`, so nobody embeds, seals or completes by the old model
meanwhile. A search reads one moment, hence the old model everywhere or the new one.
"""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, text

from schema.model_work import Progress
from schema.runs import run_building
from schema.second_chance import rebuild

SLICE = 5_000  # vectors per transaction

SWITCH = {
    space: text(f"""
UPDATE snapshots SET {space}_model_id = :model_id WHERE {space}_model_id <> :model_id
""")
    for space in ("text", "code")
}

RECOUNT = (
    text("""
UPDATE snapshots s SET counts = jsonb_set(s.counts, ARRAY['vectors', :space], to_jsonb(k.done))
  FROM json_to_recordset(cast(:done AS json)) AS k (id bigint, done bigint)
 WHERE s.id = k.id AND s.state = 'complete'
"""),
    text("""
UPDATE snapshots s SET counts = jsonb_set(s.counts, '{vectors,failed}', to_jsonb(
       2 * (s.counts ->> 'chunks')::bigint
         - (s.counts #>> '{vectors,text}')::bigint - (s.counts #>> '{vectors,code}')::bigint))
  FROM json_to_recordset(cast(:done AS json)) AS k (id bigint)
 WHERE s.id = k.id AND s.state = 'complete'
"""),
)

REOPEN = text("""
UPDATE snapshots SET state = 'lexical' WHERE id = ANY(:ids) AND state = 'complete'
RETURNING id, repository_id, ref
""")

USED_BY = text("""
SELECT p.name FROM repositories p
 WHERE EXISTS (SELECT 1 FROM snapshots s WHERE s.repository_id = p.id
                  AND :model_id IN (s.text_model_id, s.code_model_id))
 ORDER BY p.name LIMIT 5
""")

DELETE_SLICE = text(f"""
DELETE FROM embeddings e USING (
    SELECT space, input_id FROM embeddings WHERE model_id = :model_id LIMIT {SLICE}) slice
 WHERE e.model_id = :model_id AND e.space = slice.space AND e.input_id = slice.input_id
""")


def switch_snapshots(
    connection: Connection, space: str, model_id: int, progress: Sequence[Progress]
) -> int:
    """Has every snapshot, live or being built, name `model_id`; returns how many did not.

    Args:
        connection: in a transaction that holds the models alone.
        space: text or code.
        model_id: the model.
        progress: which of its vectors are there, counted in the same transaction.
    """
    switched = connection.execute(SWITCH[space], {"model_id": model_id}).rowcount
    done = json.dumps([{"id": row.snapshot_id, "done": row.done} for row in progress])
    for statement in RECOUNT:
        connection.execute(statement, {"space": space, "done": done})
    return switched


def reopen(connection: Connection, snapshot_ids: Sequence[int]) -> int:
    """Lets complete snapshots be embedded again, as fresh work with a run each; returns how many.

    They stay live; a search counts their coverage for itself meanwhile.
    """
    reopened = connection.execute(REOPEN, {"ids": list(snapshot_ids)}).all()
    for snapshot in reopened:
        if run_building(connection, snapshot.id) is None:
            rebuild(connection, snapshot)
    return len(reopened)


def used_by(connection: Connection, model_id: int) -> list[str]:
    """Repositories of which a snapshot names the model; the first five."""
    return list(connection.execute(USED_BY, {"model_id": model_id}).scalars())


def forget_failures(connection: Connection, model_id: int) -> None:
    """Lets no failed embedding of a model be tried again; waits for one that is being healed."""
    connection.execute(
        text("DELETE FROM failed_embeddings WHERE model_id = :model_id"), {"model_id": model_id}
    )


def delete_slice(connection: Connection, model_id: int) -> int:
    """Deletes up to `SLICE` vectors of a model; returns how many."""
    return connection.execute(DELETE_SLICE, {"model_id": model_id}).rowcount


def delete_model(connection: Connection, model_id: int) -> None:
    """Deletes a model that has no vectors left, with its runs and their batches."""
    connection.execute(
        text("DELETE FROM embedding_models WHERE id = :model_id"), {"model_id": model_id}
    )
