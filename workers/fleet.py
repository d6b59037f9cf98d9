"""Which processes serve a host: from queues and a concurrency to specs for the supervisor."""

import secrets
import socket

from config.settings import Settings, available_cores
from workers.queues import Kind, kinds_for
from workers.supervisor import Spec, worker_argv


def fleet(
    settings: Settings, *, queues: list[str], concurrency: int | None, reconciler: bool = True
) -> list[Spec]:
    """The worker processes that serve `queues` on this host, and a reconciler beside them.

    Args:
        settings: name the database and the broker; the processes inherit them.
        queues: what to serve; empty for everything.
        concurrency: processes per worker; None: a core each for parsing, one for embedding, whose
            threads use all cores.
        reconciler: whether one runs here; any number may run in a fleet.

    Raises:
        BadInputError: a queue does not exist.
    """
    specs = [_worker(settings, kind, concurrency) for kind in kinds_for(queues)]
    if reconciler:
        identity = _identity("reconciler")
        specs.append(
            Spec("reconciler", worker_argv("reconciler"), environment(settings, identity, 1))
        )
    return specs


def _worker(settings: Settings, kind: Kind, concurrency: int | None) -> Spec:
    cores = available_cores()
    processes = concurrency or (cores if kind.one_process_per_core else 1)
    threads = settings.encoder_threads or max(1, cores // processes)
    argv = worker_argv(
        "worker", kind.name, "--queues", ",".join(kind.queues), "--concurrency", str(processes)
    )
    return Spec(kind.name, argv, environment(settings, _identity(kind.name), threads), kind.nice)


def environment(settings: Settings, identity: str, threads: int) -> dict[str, str]:
    """What a worker process inherits: our environment, the two URLs, its name and its threads."""
    return settings.child_environment() | {
        "MNEMO_WORKER_ID": identity,
        "MNEMO_ENCODER_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "DO_NOT_TRACK": "1",  # heeded by the hub's client
        "REMAP_SIGTERM": "SIGQUIT",  # Celery's soft shutdown instead of waiting without end
    }


def _identity(kind: str) -> str:
    return f"{socket.gethostname()}:{kind}:{secrets.token_hex(3)}"
