"""The only Celery tasks: thin wrappers that carry a batch id and ring the next stage.

A message is a doorbell; the ledger decides whether there is work behind it. Lost, doubled or late
messages therefore cost time, never work.
"""

from typing import Any

from celery import Task, chain, shared_task
from celery.canvas import Signature
from celery.exceptions import Ignore

from config.errors import DatabaseUnavailableError
from tasks.maintenance import maintain
from tasks.runtime import Runtime
from tasks.work import work

ORDER = ("parse", "embed", "persist")
# Celery's own retry covers the blips in which the ledger itself cannot be reached
BLIPS = {
    "autoretry_for": (DatabaseUnavailableError,),
    "retry_backoff": 2,
    "retry_backoff_max": 60,
    "retry_jitter": True,
    "max_retries": 3,
}


class PipelineTask(Task):
    """A task whose worker process holds one `Runtime`."""

    abstract = True
    _runtime: Runtime | None = None

    @property
    def runtime(self) -> Runtime:
        """Built by the first task of the process and shared by all."""
        if PipelineTask._runtime is None:
            PipelineTask._runtime = Runtime.from_environment()
        return PipelineTask._runtime


def _step(task: PipelineTask, stage: str, batch_id: int) -> None:
    if not work(task.runtime, stage, batch_id):
        raise Ignore  # ends this chain: whoever does the stage rings the next one


@shared_task(bind=True, base=PipelineTask, name="mnemo.discover", **BLIPS)
def discover(self: PipelineTask, batch_id: int, **_: Any) -> None:
    """Lists a source and cuts it into batches."""
    _step(self, "discover", batch_id)


@shared_task(bind=True, base=PipelineTask, name="mnemo.parse", **BLIPS)
def parse(self: PipelineTask, batch_id: int, **_: Any) -> None:
    """Parses a batch's files: lexically searchable."""
    _step(self, "parse", batch_id)


@shared_task(bind=True, base=PipelineTask, name="mnemo.embed", **BLIPS)
def embed(self: PipelineTask, batch_id: int, **_: Any) -> None:
    """Encodes what a batch's chunks lack."""
    _step(self, "embed", batch_id)


@shared_task(bind=True, base=PipelineTask, name="mnemo.persist", **BLIPS)
def persist(self: PipelineTask, batch_id: int, **_: Any) -> None:
    """Seals a batch."""
    _step(self, "persist", batch_id)


@shared_task(bind=True, base=PipelineTask, name="mnemo.maintain", **BLIPS)
def maintain_index(self: PipelineTask, **_: Any) -> None:
    """Builds vector indexes that have become worth it, collects what nothing names."""
    maintain(self.runtime)


def doorbell(stage: str, batch_id: int) -> Signature:
    """The message that announces a batch: the rest of its way as a chain of immutable steps."""
    steps = {"discover": discover, "parse": parse, "embed": embed, "persist": persist}
    if stage == "discover":
        return discover.si(batch_id)
    return chain(*(steps[name].si(batch_id) for name in ORDER[ORDER.index(stage) :]))
