"""What a breaker's change means to the database: a report, and new attempts once the encoder works.

Best effort: a change that cannot be written is logged, and the guarded call goes on.
"""

import os

from config.errors import MnemoError
from config.logging import get_logger
from config.scrub import scrub
from schema import breakers, replays, runs
from schema.database import Database
from tasks.breaker import Change
from tasks.breakers import CANDIDATE, ENCODER

HEALED = ("EncoderUnavailableError", "CircuitOpenError")
log = get_logger("breaker")


def write_change(database: Database, worker: str, change: Change) -> None:
    """Reports a breaker's new state; makes due what failed for want of the encoder, once it works.

    Never raises for what is down.
    """
    process = breakers.reporter(worker, os.getpid())
    reason = scrub(change.reason) if change.reason else None
    try:
        with database.transaction() as connection:
            breakers.report(connection, process, change.breaker, change.state, reason)
            if change.breaker in (ENCODER, CANDIDATE) and change.state == "closed":
                revived = replays.revive(connection, HEALED)
                runs.announce(connection)
                log.info("breaker.encoder_healed", revived=revived)
    except MnemoError as exc:
        log.warning("breaker.not_reported", breaker=change.breaker, error=str(exc))
