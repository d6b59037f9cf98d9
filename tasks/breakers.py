"""Which dependencies of a process have circuit breakers, and what counts as their failure.

Apart from the breaker, whose rules know no dependency, and from the places that call one: those ask
for a breaker by its name, and all callers of a process share it.
"""

import threading
from urllib.parse import urlsplit

from config.errors import (
    BrokerUnavailableError,
    CacheUnavailableError,
    ConfigurationError,
    EncoderUnavailableError,
    RemoteUnavailableError,
)
from config.logging import get_logger
from tasks.breaker import Breaker, Change, Listener

ENCODER = "encoder"
CANDIDATE = "encoder.candidate"
log = get_logger("breaker")


class Breakers:
    """The breakers of one process, made when first asked for.

    Args:
        enabled: `features.breakers`; False has every call pass.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._lock = threading.Lock()
        self._breakers: dict[str, Breaker] = {}
        self._listeners: list[Listener] = [_note]
        self._cache = Breaker("cache", (), opens_at_once=(CacheUnavailableError,), enabled=enabled)

    def broker(self) -> Breaker:
        """For publishing messages."""
        return self._named("broker", BrokerUnavailableError)

    def encoder(self) -> Breaker:
        """For loading the encoders, and for the texts of fresh batches."""
        return self._named(ENCODER, EncoderUnavailableError, at_once=(ConfigurationError,))

    def candidate(self) -> Breaker:
        """For a candidate model: one that does not load must not keep the live one from work."""
        return self._named(CANDIDATE, EncoderUnavailableError, at_once=(ConfigurationError,))

    def replay(self) -> Breaker:
        """For texts that failed before: their failures must not hold up fresh ones."""
        return self._named("encoder.replay", EncoderUnavailableError)

    def cache(self) -> Breaker:
        """For the cache of query vectors: the first failure opens it, since a miss costs little.

        Nobody is told: a search writes nothing, and the broker, where the cache is, has a judgement
        of its own.
        """
        return self._cache

    def remote(self, location: str) -> Breaker:
        """For the git server of a URL: one per host."""
        return self._named(f"git:{urlsplit(location).hostname or ''}", RemoteUnavailableError)

    def all(self) -> list[Breaker]:
        """Those in use whose changes are told, by name."""
        with self._lock:
            return [self._breakers[name] for name in sorted(self._breakers)]

    def listen(self, listener: Listener) -> None:
        """Has `listener` told of the changes of every breaker, also of later ones."""
        with self._lock:
            self._listeners.append(listener)
            for breaker in self._breakers.values():
                breaker.listen(listener)

    def _named(
        self, name: str, counts: type[Exception], at_once: tuple[type[Exception], ...] = ()
    ) -> Breaker:
        with self._lock:
            if name not in self._breakers:
                made = Breaker(name, (counts,), opens_at_once=at_once, enabled=self._enabled)
                for listener in self._listeners:
                    made.listen(listener)
                self._breakers[name] = made
            return self._breakers[name]


def _note(change: Change) -> None:
    log.warning("breaker.changed", breaker=change.breaker, state=change.state, reason=change.reason)
