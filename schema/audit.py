"""The audit log: who changed many things at once. Written in the transactions that change them."""

import json
from typing import Any

from sqlalchemy import Connection, text

BEGIN = text("""
INSERT INTO audit_log (actor, action, filter, matched)
VALUES (:actor, :action, cast(:filter AS jsonb), :matched) RETURNING id
""")

ENTRIES = text("""
SELECT id, at, actor, action, filter, matched, changed FROM audit_log ORDER BY id DESC LIMIT :limit
""")


def begin(
    connection: Connection, *, actor: str, action: str, wanted: dict[str, Any], matched: int
) -> int:
    """Notes that `actor` begins to change what matches; returns the entry's id."""
    entry: int = connection.execute(
        BEGIN,
        {
            "actor": actor,
            "action": action,
            "filter": json.dumps(wanted, default=str),
            "matched": matched,
        },
    ).scalar_one()
    return entry


def add_changed(connection: Connection, entry: int, changed: int) -> None:
    """Counts what this transaction changed."""
    connection.execute(
        text("UPDATE audit_log SET changed = changed + :changed WHERE id = :id"),
        {"id": entry, "changed": changed},
    )


def entries(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest entries first."""
    return [dict(row) for row in connection.execute(ENTRIES, {"limit": limit}).mappings()]
