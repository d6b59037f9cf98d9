"""Keeps a lease alive while its holder works. Separate, because it is a thread with one duty."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from config.errors import LeaseLostError, MnemoError
from config.logging import get_logger
from config.timeouts import Timeouts
from schema import ledger
from schema.database import Database
from schema.ledger import Lease

log = get_logger("lease")


class Keeper:
    """Renews one lease every `timeouts.heartbeat` seconds until it is stopped or lost."""

    def __init__(self, database: Database, lease: Lease, timeouts: Timeouts) -> None:
        self._database = database
        self._lease = lease
        self._timeouts = timeouts
        self._stopped = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def start(self) -> None:
        """Begins renewing."""
        self._thread.start()

    def stop(self) -> None:
        """Ends renewing; a renewal under way is finished first."""
        self._stopped.set()
        self._thread.join()

    def check(self) -> None:
        """Call between steps of long work, to stop early.

        Raises:
            LeaseLostError: another worker owns the batch by now.
        """
        if self._lost.is_set():
            raise LeaseLostError

    def _run(self) -> None:
        while not self._stopped.wait(self._timeouts.heartbeat):
            try:
                with self._database.transaction("renew") as connection:
                    ledger.renew(connection, self._lease, self._timeouts.lease)
            except LeaseLostError:
                self._lost.set()
                return
            except MnemoError as exc:
                # the lease may outlive a short outage; if not, the fence at the commit decides
                log.warning("lease.renewal_failed", batch=self._lease.batch_id, error=str(exc))


@contextmanager
def kept(database: Database, lease: Lease, timeouts: Timeouts) -> Iterator[Keeper]:
    """Keeps `lease` alive inside the block."""
    keeper = Keeper(database, lease, timeouts)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()
