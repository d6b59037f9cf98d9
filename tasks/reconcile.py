"""The reconciler: the one who never forgets. It compares the ledger with what happens, and rings.

Any number may run; an advisory lock lets one act. It needs the broker only to ring, and without a
broker it waits and says so. Nothing that it does is harmful when done twice.
"""

import threading
import time
from typing import Any

import psycopg
from sqlalchemy import Connection

from config.errors import (
    BrokerUnavailableError,
    CircuitOpenError,
    LeaseLostError,
    MnemoError,
)
from config.logging import get_logger
from schema import bells, clock, deaths, ledger, replays
from schema.ledger import Expired
from schema.queues import QUEUE_OF, REPLAY, paused_queues
from schema.runs import DUE_CHANNEL
from schema.statistics import refresh_statistics
from tasks.doorbells import Doorbells, Line
from tasks.model_change import enqueue_missing
from tasks.retry import FILE
from tasks.runtime import Runtime
from tasks.settle import settle
from tasks.work import give_up

LEADER_LOCK = 0x6C6561646572  # "leader"
BUSY_SECONDS = 1.0  # between rounds while batches wait for a place in the window
STATISTICS_SECONDS = 5.0  # a run may load whole tables in that time
MAINTENANCE_SECONDS = 600.0
CANDIDATES = 4  # batches for a candidate model that fresh work may find before it in the queue
STOP_SECONDS = 0.5  # how soon a stop is noticed
log = get_logger("reconcile")


class Reconciler:
    """Rounds of reconciliation until told to stop."""

    def __init__(self, runtime: Runtime, doorbells: Doorbells) -> None:
        self._runtime = runtime
        self._doorbells = doorbells
        self._timeouts = runtime.settings.timeouts
        replaying = runtime.settings.features.retry_queue
        self._stages = [stage for stage in QUEUE_OF if replaying or stage != REPLAY]
        self._looked_at_clock = 0.0
        self._refreshed = 0.0
        self._maintained = 0.0

    def run(self, stop: threading.Event) -> None:
        """Leads whenever no other process does, until `stop` is set."""
        while not stop.is_set():
            try:
                self._lead(stop)
            except MnemoError as exc:
                log.warning("reconcile.interrupted", error=str(exc))
                stop.wait(BUSY_SECONDS)

    def _lead(self, stop: threading.Event) -> None:
        with self._runtime.database.listening(DUE_CHANNEL) as connection:
            while not stop.is_set() and not _take_lead(connection):
                stop.wait(self._timeouts.reconcile)
            while not stop.is_set():
                pause = BUSY_SECONDS if self.tick() else self._timeouts.reconcile
                _await_notice(connection, pause, stop)

    def tick(self) -> bool:
        """One round; True where work is waiting that could not be announced yet."""
        # every idle round, and not every one of a busy second
        if time.monotonic() - self._looked_at_clock > self._timeouts.reconcile / 2:
            self.heed_clock()
        self.rescue()
        settle(self._runtime)
        waiting = self.ring()
        self._change_model()
        if time.monotonic() - self._refreshed > STATISTICS_SECONDS:
            self._refresh()
        if not waiting and time.monotonic() - self._maintained > MAINTENANCE_SECONDS:
            self._maintain()
        return waiting

    def heed_clock(self) -> None:
        """Undoes what a clock that was set back does to leases and waits."""
        self._looked_at_clock = time.monotonic()
        with self._runtime.database.transaction() as connection:
            counts = clock.bring_back(
                connection,
                lease=self._timeouts.lease,
                longest=self._runtime.policy("parse").longest,
                fresh=FILE.cap,
            )
        if counts:
            log.warning("reconcile.clock_went_back", **counts)

    def rescue(self) -> list[Expired]:
        """Takes batches back from workers that went silent; ends those out of attempts."""
        with self._runtime.database.transaction("expire") as connection:
            expired = ledger.expire(connection, self._timeouts.lease)
            ended = {batch.batch_id for batch in expired if _blamed(connection, batch)}
            lost = replays.expire(connection, self._runtime.policy("embed.retry").attempts)
        for failure in lost:
            log.warning("reconcile.replay_expired", failure=failure)
        for batch in expired:
            log.warning(
                "reconcile.lease_expired",
                batch=batch.batch_id,
                stage=batch.stage,
                attempt=batch.attempt,
                worker=batch.worker,
            )
            self._runtime.errors.record(
                batch.stage, LeaseLostError(), worker=batch.worker, batch=batch.batch_id
            )
            used_up = batch.attempt >= self._runtime.policy(batch.stage).attempts
            if used_up and batch.batch_id not in ended:
                self._end(batch)
        return expired

    def ring(self) -> bool:
        """Announces due batches, as many as the window of each queue has room for.

        Returns:
            True where due batches remain because a window is full: look again soon.
        """
        due = [stage for stage in self._stages if self._has_due(stage)]
        if not due:
            return False
        try:
            with self._doorbells.connected() as line:
                waiting = [self._ring_stage(line, stage) for stage in due]
        except (BrokerUnavailableError, CircuitOpenError) as exc:
            log.warning("reconcile.broker_down", error=str(exc), waiting=due)
            return False
        return any(waiting)

    def _has_due(self, stage: str) -> bool:
        with self._runtime.database.transaction() as connection:
            return bells.has_due(connection, stage, self._timeouts.ring_patience)

    def _ring_stage(self, line: Line, stage: str) -> bool:
        depth = line.depth(stage)
        room = self._runtime.settings.doorbells - depth
        if room <= 0:
            return True
        patience = self._timeouts.ring_patience
        with self._runtime.database.transaction("ring") as connection:
            rung = bells.ring(connection, stage, limit=room, patience=patience)
            full = len(rung) == room
            if not rung and not depth and stage != REPLAY:
                rung = bells.ring(
                    connection, stage, limit=CANDIDATES, patience=patience, candidate=True
                )
        unsent = list(rung)
        try:
            while unsent:
                line.ring(unsent[0])
                unsent.pop(0)
        finally:
            if unsent:
                with self._runtime.database.transaction("unring") as connection:
                    bells.unring(connection, stage, [bell.id for bell in unsent])
        return full

    def _change_model(self) -> None:
        """Nothing else must wait where this fails."""
        try:
            enqueue_missing(self._runtime)
        except MnemoError as exc:
            log.warning("reconcile.model_change", error=str(exc))

    def _refresh(self) -> None:
        self._refreshed = time.monotonic()
        with self._runtime.database.autocommit() as connection:
            refresh_statistics(connection)

    def _maintain(self) -> None:
        self._maintained = time.monotonic()
        with self._runtime.database.reading() as connection:
            if "maintenance" in paused_queues(connection):
                return
        try:
            with self._doorbells.connected() as line:
                line.ring_maintenance()
        except (BrokerUnavailableError, CircuitOpenError) as exc:
            log.warning("reconcile.broker_down", error=str(exc))

    def _end(self, batch: Expired) -> None:
        error = LeaseLostError(f"the worker died or stalled {batch.attempt} times on this batch")
        lease = self._runtime.transact(
            "claim",
            lambda connection: ledger.claim(
                connection,
                batch.batch_id,
                batch.stage,
                worker=self._runtime.worker,
                seconds=self._timeouts.lease,
                heed_pause=False,
            ),
        )
        if lease is not None:
            give_up(self._runtime, lease, error)


def _blamed(connection: Connection, batch: Expired) -> bool:
    """Only parsing runs code on a file as it came; embedding has a queue for what it fails on."""
    return batch.stage == "parse" and not batch.excused and deaths.blame(connection, batch)


def _take_lead(connection: "psycopg.Connection[Any]") -> bool:
    """Session-level: whoever loses the connection loses the lead."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LEADER_LOCK]).fetchone()
    return bool(row and row[0])


def _await_notice(
    connection: "psycopg.Connection[Any]", seconds: float, stop: threading.Event
) -> None:
    """Returns after `seconds`, when somebody asks for work to be announced, or at `stop`."""
    deadline = time.monotonic() + seconds
    while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
        for _notice in connection.notifies(timeout=min(left, STOP_SECONDS), stop_after=1):
            return
