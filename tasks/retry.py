"""What is tried again, how often and when: one table, and values that say what was decided.

It decides, it does not act, and it is light: a worker's main process reads it too. Long waits live
in the ledger as `next_attempt_at`, so they survive every process and count against one budget of
attempts; Celery retries the blips in which the ledger cannot be reached (`tasks/pipeline.py`);
`tasks/retrier.py` runs transactions again that lost a race. What is not in the table is not
retried. `docs/reliability.md` shows it, and a test compares.
"""

import math
import random
from dataclasses import dataclass
from typing import Literal

from config.errors import (
    BrokerUnavailableError,
    CircuitOpenError,
    ConflictError,
    DatabaseFullError,
    DatabaseUnavailableError,
    ParseError,
    PermanentError,
)
from config.settings import Settings
from tasks.breaker import Limits

Waiting = Literal["ledger", "Celery", "kombu", "process"]
FULL_SECONDS = 60.0  # so soon is the work resumed when there is room again


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after this many seconds; `counted` is False where the attempt was not at fault."""

    after: float
    counted: bool = True


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again."""


Decision = Retry | GiveUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How one operation is tried again.

    Attributes:
        operation: what is done, as logs and the table of errors name it.
        by: who waits between two attempts.
        attempts: in all, the first one included.
        base: seconds that the first wait lasts at the most; the bound doubles with each attempt.
        cap: seconds that no wait exceeds.
        retried: classes of errors that may pass.
        never: those among them that do not.
        waited_out: those that say nothing against the work: they cost no attempt.
        idempotent: done a second time, it changes nothing more.
        seconds: once so many have passed since the first attempt began, there is no other.

    Raises:
        ValueError: the operation may not be retried, or no wait follows from the numbers.
    """

    operation: str
    by: Waiting
    attempts: int = 1
    base: float = 0.0
    cap: float = 0.0
    retried: tuple[type[Exception], ...] = ()
    never: tuple[type[Exception], ...] = ()
    waited_out: tuple[type[Exception], ...] = ()
    idempotent: bool = True
    seconds: float = math.inf

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"{self.operation}: there is at least one attempt")
        if self.attempts == 1:
            return
        if not self.idempotent:
            raise ValueError(
                f"{self.operation} is not idempotent: an attempt that failed may have taken effect,"
                " and another one would double it; it gets one attempt"
            )
        if not self.retried:
            raise ValueError(f"{self.operation}: name the errors that are worth another attempt")
        if not 0 < self.base <= self.cap:
            raise ValueError(f"{self.operation}: a wait's base is above 0 and not above its cap")

    def retries(self, error: BaseException) -> bool:
        """Whether `error` is one that may pass."""
        return isinstance(error, self.retried) and not isinstance(error, self.never)

    def decide(self, error: BaseException, attempt: int) -> Decision:
        """After attempt number `attempt` (from 1) failed with `error`.

        What a breaker refused waits at least until the breaker lets somebody try. What is waited
        out is tried until it has passed.
        """
        if isinstance(error, self.waited_out):
            return Retry(_spread(min(self.cap, FULL_SECONDS)), counted=False)
        if attempt >= self.attempts or not self.retries(error):
            return GiveUp()
        wait = self.wait(attempt)
        return Retry(max(wait, error.after) if isinstance(error, CircuitOpenError) else wait)

    @property
    def longest(self) -> float:
        """The longest wait that `decide` gives, in seconds."""
        return max(self.cap, Limits().open_cap)

    def wait(self, attempt: int) -> float:
        """Full jitter: uniform over [0, min(cap, base * 2 ** (attempt - 1))].

        Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. The
        jitter is drawn after the cap, so that clients stay spread at the cap too.
        """
        return _spread(min(self.cap, self.base * 2 ** min(attempt - 1, 32)))


# Attempts are counted by the ledger, each in a claim of its own.
CLAIMED = ("discover", "parse", "embed", "persist", "embed.retry")

# Named as their failpoints. The second time, a fence or a unique key refuses them, or nothing is
# left to do. A conflict says that PostgreSQL has rolled everything back. Whether it has is unknown
# when the connection was lost at the commit, and being refused would then pass for a failure: that
# is left to the ledger.
TRANSACTIONS = (
    "claim",
    "discover.begin",
    "discover.piece",
    "discover.attach",
    "discover.finish",
    "parse.commit",
    "parse.settle",
    "embed.commit",
    "persist.commit",
    "settle",
    "postpone",
    "give_up",
    "replay.claim",
    "replay.heal",
    "replay.put_back",
)

STEP = Policy(
    operation="step",
    by="Celery",
    attempts=4,
    base=2.0,  # whole seconds: Celery's are
    cap=60.0,
    retried=(DatabaseUnavailableError,),
)
PUBLISH = Policy(
    operation="publish",
    by="kombu",
    attempts=4,
    base=1.0,
    cap=1.0,
    retried=(BrokerUnavailableError,),
)
FILE = Policy(
    operation="parse.file",
    by="ledger",
    attempts=3,  # a file that defeated the parser this often will do so again
    base=5.0,
    cap=5.0,
    retried=(ParseError,),
)
ENQUEUE = Policy(operation="enqueue", by="process", idempotent=False)


def policies(settings: Settings) -> dict[str, Policy]:
    """The table, by operation; how long the ledger is patient is set by the settings."""
    claimed = (
        Policy(
            operation=operation,
            by="ledger",
            attempts=settings.max_attempts,
            base=settings.retry_base,
            cap=settings.retry_cap,
            retried=(Exception,),  # a defect, too, may be of this worker only
            never=(PermanentError,),
            waited_out=(DatabaseFullError,),  # or every file would end in quarantine
        )
        for operation in CLAIMED
    )
    transactions = (
        Policy(
            operation=operation,
            by="process",
            attempts=4,
            base=0.1,
            cap=1.0,
            retried=(ConflictError,),
            seconds=15.0,  # two waits for a lock (`sql_lock`), which a persist task has time for
        )
        for operation in TRANSACTIONS
    )
    table = (*claimed, FILE, STEP, PUBLISH, *transactions, ENQUEUE)
    return {policy.operation: policy for policy in table}


def _spread(ceiling: float) -> float:
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, guards nothing
