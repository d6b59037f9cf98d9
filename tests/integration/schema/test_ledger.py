"""The ledger: who may work on a batch, and what a lost lease prevents."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text

from config.errors import BrokerUnavailableError, LeaseLostError
from schema import batches, bells, ledger
from schema.batches import BlobWork
from schema.database import Database
from schema.ledger import Lease

NewRun = Callable[[], uuid.UUID]
SECONDS = 30.0


@pytest.fixture
def new_run(database: Database) -> NewRun:
    """Makes an empty run."""

    def make() -> uuid.UUID:
        with database.transaction() as connection:
            run_id: uuid.UUID = connection.execute(
                text(
                    "WITH p AS (INSERT INTO repositories (name, source_kind, location)"
                    " VALUES (gen_random_uuid()::text, 'folder', '/') RETURNING id)"
                    " INSERT INTO index_runs (repository_id, correlation_id)"
                    " SELECT id, 'c' FROM p RETURNING id"
                )
            ).scalar_one()
        return run_id

    return make


@pytest.fixture
def batch(database: Database, new_run: NewRun) -> int:
    """A batch that is due for parsing."""
    run_id = new_run()
    with database.transaction() as connection:
        return batches.create_batch(connection, run_id, "parse")


@pytest.fixture
def claim(database: Database) -> Callable[..., Lease | None]:
    """Claims a batch in a transaction of its own."""

    def take(batch_id: int, stage: str = "parse", seconds: float = SECONDS) -> Lease | None:
        with database.transaction() as connection:
            return ledger.claim(connection, batch_id, stage, worker="w", seconds=seconds)

    return take


Claim = Callable[..., Lease | None]


def held(lease: Lease | None) -> Lease:
    """A lease that must have been given."""
    assert lease is not None
    return lease


def row(database: Database, batch_id: int) -> dict[str, object]:
    """The batch as it is stored."""
    with database.reading() as connection:
        found = connection.execute(
            text("SELECT *, next_attempt_at > now() AS later FROM batches WHERE id = :id"),
            {"id": batch_id},
        )
        return dict(found.mappings().one())


def test_a_due_batch_is_claimed_once(batch: int, claim: Claim) -> None:
    """The second claim finds nothing to do."""
    assert claim(batch) is not None
    assert claim(batch) is None


def test_of_many_claims_at_once_one_wins(batch: int, claim: Claim) -> None:
    """Two workers with the same message never work on the same batch."""
    with ThreadPoolExecutor(8) as threads:
        leases = list(threads.map(lambda _: claim(batch), range(16)))

    assert sum(lease is not None for lease in leases) == 1


def test_a_claim_counts_its_attempt_before_work_starts(
    database: Database, batch: int, claim: Claim
) -> None:
    """Whatever kills the worker afterwards, the attempt is on record."""
    claim(batch)

    assert row(database, batch)["attempt"] == 1


def test_a_claim_for_another_stage_is_refused(batch: int, claim: Claim) -> None:
    """A message that is late or early does nothing."""
    assert claim(batch, "embed") is None


def test_a_postponed_batch_waits(database: Database, batch: int, claim: Claim) -> None:
    """It cannot be claimed before its time, and says why it waits."""
    lease = held(claim(batch))
    with database.transaction() as connection:
        ledger.postpone(connection, lease, BrokerUnavailableError("down"), 60)

    assert claim(batch) is None
    stored = row(database, batch)
    assert (stored["state"], stored["attempt"], stored["later"]) == ("pending", 1, True)
    assert (stored["error_class"], stored["last_error"]) == ("BrokerUnavailableError", "down")


def test_advancing_starts_a_new_budget(database: Database, batch: int, claim: Claim) -> None:
    """Attempts are counted per stage."""
    lease = held(claim(batch))
    with database.transaction() as connection:
        ledger.advance(connection, lease, "embed", {"chunks": 3})

    stored = row(database, batch)
    assert (stored["stage"], stored["state"], stored["attempt"]) == ("embed", "pending", 0)
    assert stored["counts"] == {"chunks": 3}
    assert stored["lease_token"] is None


def test_a_finished_batch_is_done(database: Database, batch: int, claim: Claim) -> None:
    """Nothing claims it again."""
    lease = held(claim(batch))
    with database.transaction() as connection:
        ledger.finish(connection, lease)

    assert row(database, batch)["state"] == "done"
    assert claim(batch) is None


def test_an_expired_lease_gives_the_batch_back(
    database: Database, batch: int, claim: Claim
) -> None:
    """The attempt stays counted and the next claim gets another token."""
    first = held(claim(batch, seconds=0))
    with database.transaction() as connection:
        [expired] = ledger.expire(connection, SECONDS)

    second = held(claim(batch))
    assert (expired.batch_id, expired.attempt) == (batch, 1)
    assert second.attempt == 2
    assert first.token != second.token


def test_ringing_waits_for_nobody(database: Database, new_run: NewRun) -> None:
    """A batch that somebody is just claiming or cancelling is left out."""
    with database.transaction() as connection:
        made = [batches.create_batch(connection, new_run(), "parse") for _ in range(2)]
    with database.transaction() as other, database.transaction() as connection:
        other.execute(text("SELECT 1 FROM batches WHERE id = :id FOR UPDATE"), {"id": made[0]})

        rung = bells.ring(connection, "parse", limit=10, patience=SECONDS)

    assert [bell.id for bell in rung] == made[1:]


def test_a_living_lease_does_not_expire(database: Database, batch: int, claim: Claim) -> None:
    """Only silence takes a batch away."""
    claim(batch)
    with database.transaction() as connection:
        assert [] == ledger.expire(connection, SECONDS)


def test_renewing_extends_a_lease(database: Database, batch: int, claim: Claim) -> None:
    """A worker that beats keeps its batch."""
    lease = held(claim(batch, seconds=1))
    before = row(database, batch)["lease_until"]
    with database.transaction() as connection:
        ledger.renew(connection, lease, SECONDS)

    assert row(database, batch)["lease_until"] > before  # type: ignore[operator]  # both are times


@pytest.mark.parametrize("act", ["hold", "renew", "advance", "finish", "postpone", "give_up"])
def test_a_lost_lease_changes_nothing(
    database: Database, batch: int, claim: Claim, act: str
) -> None:
    """A worker that was thought dead comes back and is refused, whatever it does."""
    stale = held(claim(batch, seconds=0))
    with database.transaction() as connection:
        ledger.expire(connection, SECONDS)
    claim(batch)
    before = row(database, batch)

    with pytest.raises(LeaseLostError), database.transaction() as connection:
        match act:
            case "hold":
                ledger.hold(connection, stale)
            case "renew":
                ledger.renew(connection, stale, SECONDS)
            case "advance":
                ledger.advance(connection, stale, "embed")
            case "finish":
                ledger.finish(connection, stale)
            case "postpone":
                ledger.postpone(connection, stale, LeaseLostError(), 0)
            case _:
                ledger.give_up(connection, stale, LeaseLostError())

    assert before == row(database, batch)


def test_an_expired_lease_may_not_be_held_even_if_nobody_took_it(
    database: Database, batch: int, claim: Claim
) -> None:
    """Time alone ends the right to write."""
    lease = held(claim(batch, seconds=0))

    with pytest.raises(LeaseLostError), database.transaction() as connection:
        ledger.hold(connection, lease)


def test_a_held_batch_is_not_taken_away(database: Database, batch: int, claim: Claim) -> None:
    """Between the fence and the commit nobody expires the lease."""
    lease = held(claim(batch, seconds=0.5))
    with database.transaction() as holding:
        ledger.hold(holding, lease)
        holding.execute(text("SELECT pg_sleep(0.6)"))
        with database.transaction() as other:
            assert [] == ledger.expire(other, SECONDS)


def test_what_a_lost_lease_wrote_is_rolled_back(
    database: Database, batch: int, claim: Claim
) -> None:
    """Data and ledger change together or not at all."""
    stale = held(claim(batch, seconds=0))

    with pytest.raises(LeaseLostError), database.transaction() as connection:
        connection.execute(text("INSERT INTO queues (name) VALUES ('written')"))
        ledger.hold(connection, stale)

    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM queues")).scalar() == 0


def test_a_paused_queue_gives_no_work(database: Database, batch: int, claim: Claim) -> None:
    """An operator's word holds even for messages that are on their way."""
    with database.transaction() as connection:
        connection.execute(text("INSERT INTO queues (name, paused) VALUES ('parse', true)"))

    assert claim(batch) is None
    with database.transaction() as connection:
        assert [] == bells.ring(connection, "parse", limit=10, patience=20)


def test_a_batch_is_rung_once(database: Database, batch: int) -> None:
    """It is not announced again while its message may still be on the way."""
    with database.transaction() as connection:
        [bell] = bells.ring(connection, "parse", limit=10, patience=20)
        again = bells.ring(connection, "parse", limit=10, patience=20)

    assert bell.id == batch
    assert again == []


def test_a_doorbell_that_nobody_heard_rings_again(database: Database, batch: int) -> None:
    """A message that the broker lost costs patience, not work."""
    for _ in range(2):
        with database.transaction() as connection:
            assert [batch] == [
                bell.id for bell in bells.ring(connection, "parse", limit=10, patience=0)
            ]


def test_a_doorbell_that_was_not_sent_is_taken_back(database: Database, batch: int) -> None:
    """With the broker down the batch stays to be announced."""
    with database.transaction() as connection:
        bells.ring(connection, "parse", limit=10, patience=20)
        bells.unring(connection, "parse", [batch])

        assert bells.has_due(connection, "parse", 20)


def test_doorbells_are_fair_among_runs(database: Database, new_run: NewRun) -> None:
    """A small repository behind a huge one is announced at once."""
    huge, small = new_run(), new_run()
    with database.transaction() as connection:
        for _ in range(20):
            batches.create_batch(connection, huge, "parse")
        wanted = batches.create_batch(connection, small, "parse")
        rung = bells.ring(connection, "parse", limit=2, patience=20)

    assert wanted in [bell.id for bell in rung]


def test_batches_are_filled_by_bytes(database: Database, new_run: NewRun) -> None:
    """A large file goes alone, small ones together."""
    run_id = new_run()
    sizes = [60, 60, 30, 500, 10]
    with database.transaction() as connection:
        blobs = [_blob(connection, number, size) for number, size in enumerate(sizes)]
        made = batches.create_batches(
            connection, run_id, "parse", blobs, max_bytes=100, max_blobs=10
        )
        rows = connection.execute(text("SELECT size, batch_id FROM blobs ORDER BY id"))
        groups = [made.index(blob.batch_id) for blob in rows]

    assert groups == [0, 1, 1, 2, 3]


def test_a_failing_batch_is_halved(database: Database, new_run: NewRun, claim: Claim) -> None:
    """Until the poison blob stands alone."""
    run_id = new_run()
    with database.transaction() as connection:
        ids = [_blob(connection, number, 1).id for number in range(3)]
        batch_id = batches.create_batch(connection, run_id, "parse", blob_ids=ids)
    lease = held(claim(batch_id))
    with database.transaction() as connection:
        halves = batches.split(connection, lease)
        rows = connection.execute(text("SELECT batch_id FROM blobs ORDER BY id")).scalars()

        assert list(rows) == [halves[0], halves[1], halves[1]]


def _blob(connection: Connection, number: int, size: int) -> BlobWork:
    found = connection.execute(
        text(
            "INSERT INTO blobs (sha256, language, parser_version, size)"
            " VALUES (:sha, 'text', 1, :size) RETURNING id"
        ),
        {"sha": number.to_bytes(32), "size": size},
    )
    return BlobWork(found.scalar_one(), size)
