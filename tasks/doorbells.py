"""Publishing: how deep a queue is, and the messages that announce work.

The edge to the broker: its exceptions end here. Only ids travel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from kombu import Connection, Producer
from kombu.exceptions import KombuError, OperationalError

from config.errors import BrokerUnavailableError
from config.logging import bound
from config.scrub import scrub
from schema.bells import Doorbell
from schema.queues import QUEUE_OF
from tasks.breakers import Breakers
from tasks.pipeline import doorbell, maintain_index


class Line:
    """An open connection to the broker."""

    def __init__(self, app: Celery, connection: Connection, producer: Producer) -> None:
        self._app = app
        self._connection = connection
        self._producer = producer

    def depth(self, stage: str) -> int:
        """Messages that wait in the queue of `stage`, those that workers hold not counted."""
        queue = self._app.amqp.queues[QUEUE_OF[stage]]
        declared: Any = queue(self._connection.default_channel).queue_declare()
        return int(declared.message_count)

    def ring(self, bell: Doorbell) -> None:
        """Announces a batch, or a failed embedding."""
        with bound(correlation_id=bell.correlation_id):
            doorbell(bell.stage, bell.id).apply_async(producer=self._producer)

    def ring_maintenance(self) -> None:
        """Asks for a round of upkeep."""
        maintain_index.apply_async(producer=self._producer)


class Doorbells:
    """The way to the broker of one Celery application.

    Args:
        app: the application.
        breakers: those of the process; without them every call is tried.
    """

    def __init__(self, app: Celery, breakers: Breakers | None = None) -> None:
        self._app = app
        self._breaker = (breakers or Breakers(enabled=False)).broker()

    @contextmanager
    def connected(self) -> Iterator[Line]:
        """A line to the broker.

        Raises:
            BrokerUnavailableError: it does not answer, or stopped answering inside the block.
            CircuitOpenError: it kept failing and is not asked for a while.
        """
        with self._breaker.guard(), self._opened() as line:
            yield line

    @contextmanager
    def _opened(self) -> Iterator[Line]:
        connection = self._app.connection_for_write()
        try:
            with connection, self._app.amqp.Producer(connection) as producer:
                yield Line(self._app, connection, producer)
        except (*connection.connection_errors, *connection.channel_errors) as exc:
            raise _unavailable(exc) from exc
        except (OperationalError, KombuError, OSError) as exc:
            raise _unavailable(exc) from exc


def _unavailable(exc: BaseException) -> BrokerUnavailableError:
    reason = scrub(str(exc)) or type(exc).__name__
    return BrokerUnavailableError(f"the message broker does not answer: {reason}")
