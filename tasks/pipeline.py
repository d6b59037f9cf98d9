"""The only Celery tasks: thin wrappers that carry a batch id and ring the next stage.

A message is a doorbell; the ledger decides whether there is work behind it. Lost, doubled or late
messages therefore cost time, never work.

What stages need is imported by the process that runs them: a worker's main process, which only
hands out messages, saves 20 MB by that.
"""

import faulthandler
from functools import cache
from typing import TYPE_CHECKING, Any

from celery import Task, chain, shared_task
from celery.canvas import Signature
from celery.exceptions import Ignore

from config import failpoints
from config.errors import BrokerUnavailableError
from schema.queues import REPLAY
from tasks.retry import STEP

if TYPE_CHECKING:
    from tasks.runtime import Runtime

ORDER = ("parse", "embed", "persist")
# Beyond the hard limit, which Celery's main process enforces unless it waits for a dead broker.
WATCHDOG_MARGIN = 5.0


class PipelineTask(Task):  # type: ignore[type-arg]  # generic in the stubs, not at run time
    """A step; Celery's own retry covers the blips in which the ledger cannot be reached."""

    abstract = True
    autoretry_for = STEP.retried
    retry_backoff = int(STEP.base)
    retry_backoff_max = int(STEP.cap)
    retry_jitter = True  # full, drawn after the cap
    max_retries = STEP.attempts - 1

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Sends the message that starts this step."""
        with failpoints.around("publish", BrokerUnavailableError):
            return super().apply_async(*args, **options)


@cache
def runtime() -> "Runtime":
    """The tools of this process, made by its first task."""
    from tasks.runtime import Runtime  # noqa: PLC0415 - see above

    return Runtime.from_environment()


@shared_task(base=PipelineTask, name="mnemo.discover")
def discover(batch_id: int, **_: Any) -> None:
    """Lists a source and cuts it into batches."""
    _step("discover", batch_id)


@shared_task(base=PipelineTask, name="mnemo.parse")
def parse(batch_id: int, **_: Any) -> None:
    """Parses a batch's files: lexically searchable."""
    _step("parse", batch_id)


@shared_task(base=PipelineTask, name="mnemo.embed")
def embed(batch_id: int, **_: Any) -> None:
    """Encodes what a batch's chunks lack."""
    _step("embed", batch_id)


@shared_task(base=PipelineTask, name="mnemo.persist")
def persist(batch_id: int, **_: Any) -> None:
    """Seals a batch."""
    _step("persist", batch_id)


@shared_task(base=PipelineTask, name="mnemo.embed_retry")
def embed_retry(failure_id: int, **_: Any) -> None:
    """Tries one failed embedding again."""
    from tasks.embed.replay import replay_embedding  # noqa: PLC0415 - see above

    replay_embedding(runtime(), failure_id, runtime().policy("embed.retry"))


@shared_task(base=PipelineTask, name="mnemo.maintain")
def maintain_index(**_: Any) -> None:
    """Builds vector indexes that have become worth it, collects what nothing names."""
    from tasks.maintenance import maintain  # noqa: PLC0415 - see above

    maintain(runtime())


def doorbell(stage: str, work_id: int) -> Signature[None]:
    """The message that announces work: for a batch, the rest of its way as a chain of steps."""
    if stage == "discover":
        return discover.si(work_id)
    if stage == REPLAY:
        return embed_retry.si(work_id)
    steps = {"parse": parse, "embed": embed, "persist": persist}
    return chain(*(steps[name].si(work_id) for name in ORDER[ORDER.index(stage) :]))


def _step(stage: str, batch_id: int) -> None:
    from tasks.work import work  # noqa: PLC0415 - see above

    limit = runtime().settings.timeouts.task_limit(stage)
    faulthandler.dump_traceback_later(limit + WATCHDOG_MARGIN, exit=True)
    try:
        done = work(runtime(), stage, batch_id)
    finally:
        faulthandler.cancel_dump_traceback_later()
    failpoints.reach("acknowledge")
    if not done:
        raise Ignore  # ends this chain: whoever does the stage rings the next one
