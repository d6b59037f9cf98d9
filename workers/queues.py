"""The queues, and the kinds of worker process that serve them.

One kind per resource: parsing is CPU in many small processes, embedding is one big process that
holds the model, retries must not starve fresh work. Queues are direct, on the anonymous exchange:
on Redis, a named exchange whose binding is evicted silently discards what is sent to it.
"""

from dataclasses import dataclass

from kombu import Queue

from config.errors import BadInputError

QUEUES = ("control", "parse", "embed", "persist", "embed.retry", "maintenance")
ROUTES = {
    "mnemo.discover": "control",
    "mnemo.parse": "parse",
    "mnemo.embed": "embed",
    "mnemo.persist": "persist",
    "mnemo.embed_retry": "embed.retry",
    "mnemo.maintain": "maintenance",
}


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


def declared() -> list[Queue]:
    """Every queue, for Celery."""
    return [Queue(name, routing_key=name) for name in QUEUES]


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
