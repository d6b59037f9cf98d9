"""The queues, and the kinds of worker process that serve them.

One kind per resource: parsing is CPU in many small processes, embedding is one big process that
holds the model, retries must not starve fresh work.
"""

from dataclasses import dataclass

from kombu import Exchange, Queue

from config.errors import BadInputError
from schema.queues import QUEUES

ROUTES = {
    "mnemo.discover": "control",
    "mnemo.parse": "parse",
    "mnemo.embed": "embed",
    "mnemo.persist": "persist",
    "mnemo.embed_retry": "embed.retry",
    "mnemo.maintain": "maintenance",
}
DELIVERIES = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of worker process: the queues it serves and how it behaves on the machine.

    `nice` lowers a process's priority: parsing makes code searchable, embedding fills what is left.
    """

    name: str
    queues: tuple[str, ...]
    one_process_per_core: bool
    nice: int


KINDS = (
    Kind("parse", ("control", "parse", "persist", "maintenance"), True, 0),
    Kind("embed", ("embed",), False, 10),
    Kind("retry", ("embed.retry",), False, 15),
)


def declared(*, amqp: bool) -> list[Queue]:
    """Every queue, for Celery.

    On Redis they are direct, on the anonymous exchange: a named exchange whose binding is evicted
    silently discards what is sent to it. On RabbitMQ they are quorum queues, whose delayed messages
    need a topic exchange; a message that kills its consumer `DELIVERIES` times is dropped there,
    and the ledger decides whether its work is rung again.
    """
    if not amqp:
        return [Queue(name, routing_key=name) for name in QUEUES]
    exchange = Exchange("mnemo", type="topic")
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERIES}
    return [Queue(name, exchange, routing_key=name, queue_arguments=arguments) for name in QUEUES]


def kinds_for(queues: list[str]) -> list[Kind]:
    """The worker kinds that together serve exactly `queues`; all kinds where none is named.

    Raises:
        BadInputError: a queue does not exist.
    """
    unknown = sorted(set(queues) - set(QUEUES))
    if unknown:
        raise BadInputError(
            f"there is no queue {', '.join(unknown)}; the queues are {', '.join(QUEUES)}"
        )
    if not queues:
        return list(KINDS)
    kinds = []
    for kind in KINDS:
        served = tuple(name for name in kind.queues if name in queues)
        if served:
            kinds.append(Kind(kind.name, served, kind.one_process_per_core, kind.nice))
    return kinds
