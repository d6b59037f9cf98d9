"""When the database's clock goes back: moments that lie further ahead than they can be.

All times of the ledger are the database's. A clock that goes forward ends leases and waits early,
which costs attempts. One that goes back would have the dead hold their batches, and due work wait,
for as long as it went back; so whatever no lease and no wait can reach is brought back. Two cases
need nothing here: a doorbell of the future counts as not rung (`bells.py`), and a batch whose lease
has expired is due (`ledger.py`).
"""

from sqlalchemy import Connection, text

# The second that is added everywhere is how much later than ours the `now()` of another transaction
# may be. What somebody else has locked is looked at again in the next round.
LEASES = """
UPDATE {table} SET lease_until = now() + make_interval(secs => :lease)
 WHERE id IN (SELECT id FROM {table} WHERE state = 'leased'
                 AND lease_until > now() + make_interval(secs => :lease + 1)
                 FOR UPDATE SKIP LOCKED)
"""

WAITS = """
UPDATE {table} SET next_attempt_at = now()
 WHERE id IN (SELECT id FROM {table} WHERE state = 'pending'
                 AND next_attempt_at > now() + make_interval(secs => {longest} + 1)
                 FOR UPDATE SKIP LOCKED)
"""

STATEMENTS = {
    "leases": text(LEASES.format(table="batches")),
    "waits": text(
        WAITS.format(
            table="batches",
            longest="CASE WHEN error_class IS NULL THEN :fresh ELSE :longest END",
        )
    ),
    "replay_leases": text(LEASES.format(table="failed_embeddings")),
    "replay_waits": text(WAITS.format(table="failed_embeddings", longest=":longest")),
    "heartbeats": text("""
UPDATE worker_heartbeats
   SET seen_at = least(seen_at, now()), progressed_at = least(progressed_at, now())
 WHERE greatest(seen_at, progressed_at) > now() + make_interval(secs => 1)
"""),
    "breakers": text("""
UPDATE circuit_breaker_state SET reported_at = now()
 WHERE reported_at > now() + make_interval(secs => 1)
"""),
}


def bring_back(
    connection: Connection, *, lease: float, longest: float, fresh: float
) -> dict[str, int]:
    """Corrects moments of the future that the clock has left behind.

    A living worker renews its lease within its heartbeat; a dead one loses it after `lease`.

    Args:
        connection: in a transaction.
        lease: seconds that a lease lasts without renewal.
        longest: seconds of the longest wait between two attempts.
        fresh: seconds of the longest wait of a batch that did not fail.

    Returns:
        How many of each kind were corrected; empty when all is well.
    """
    bounds = {"lease": lease, "longest": longest, "fresh": fresh}
    counts = {name: connection.execute(done, bounds).rowcount for name, done in STATEMENTS.items()}
    return {name: count for name, count in counts.items() if count}
