"""The retry budget of a process: retries are a tenth of its calls at the most.

Apart from the policies, which know one operation each: when everything fails, it is their sum that
would overload what is failing.
"""

import threading


class RetryBudget:
    """A token bucket: each call pays in, each retry takes out what several calls paid.

    At any time retries <= floor + calls / calls_per_retry. For any number of threads.

    Sources: B. Beyer et al., "Site Reliability Engineering", 2016, ch. 21 "Handling Overload" (a
    per-client budget of 10 % retries); gRPC proposal A6 (`retryThrottling`: a bounded bucket of
    tokens, counted in whole numbers).

    Args:
        calls_per_retry: what one retry costs.
        floor: retries that are there from the start, so that an early failure may be retried.
        capacity: retries that calm times can save up.
    """

    def __init__(self, *, calls_per_retry: int = 10, floor: int = 3, capacity: int = 10) -> None:
        if calls_per_retry < 1 or not 0 <= floor <= capacity:
            raise ValueError("a retry costs at least a call, and the floor fits into the capacity")
        self._cost = calls_per_retry
        self._most = capacity * calls_per_retry
        self._paid = floor * calls_per_retry
        self._lock = threading.Lock()

    @property
    def retries(self) -> int:
        """How many it would pay for now."""
        return self._paid // self._cost

    def call(self) -> None:
        """Counts a call."""
        with self._lock:
            self._paid = min(self._most, self._paid + 1)

    def take(self) -> bool:
        """Takes out a retry; False where that cannot be afforded."""
        with self._lock:
            if self._paid < self._cost:
                return False
            self._paid -= self._cost
            return True
