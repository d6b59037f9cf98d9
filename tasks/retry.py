"""What to do after a failure: a value that says so. It decides, it does not act.

Short blips of the database are retried by Celery (`tasks/pipeline.py`); every longer wait lives in
the ledger as `next_attempt_at`, so it survives the broker and counts against one attempt budget.
"""

import random
from dataclasses import dataclass

from config.errors import CircuitOpenError, DatabaseFullError, PermanentError
from tasks.breaker import Limits

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


@dataclass(frozen=True, slots=True)
class Policy:
    """A budget of attempts and the bounds of the waits between them, in seconds."""

    max_attempts: int
    base: float
    cap: float

    def decide(self, error: BaseException, attempt: int) -> Decision:
        """After attempt number `attempt` (from 1) failed with `error`.

        A permanent error repeats itself however often it is tried; all others may pass. What a
        breaker refused waits at least until the breaker lets somebody try. What found no room on
        PostgreSQL's disk is tried until there is some, or all files would end in quarantine.
        """
        if isinstance(error, DatabaseFullError):
            return Retry(_spread(min(self.cap, FULL_SECONDS)), counted=False)
        if attempt >= self.max_attempts or isinstance(error, PermanentError):
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


def _spread(ceiling: float) -> float:
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, guards nothing
