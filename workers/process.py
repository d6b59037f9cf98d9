"""The main of a worker process: `python -I -m workers.process worker KIND …` or `… reconciler`.

Started by the supervisor, in a neutral folder. Nothing at module level but definitions: Celery's
spawned children import this module again.
"""

import argparse
import signal
import sys
import threading
from typing import Any

from celery import signals
from celery.worker import state

from config.errors import EXIT_DONE, MnemoError
from config.logging import get_logger, setup_logging
from config.settings import Settings, get_settings
from schema.database import Database
from tasks.doorbells import Doorbells
from workers.app import create_app
from workers.heartbeat import Heartbeat
from workers.supervisor import EXIT_DRAINED

log = get_logger("process")


def main(arguments: list[str] | None = None) -> int:
    """Runs one process until it is told to stop; returns its exit code."""
    parser = argparse.ArgumentParser(prog="workers.process")
    commands = parser.add_subparsers(dest="command", required=True)
    worker = commands.add_parser("worker")
    worker.add_argument("kind")
    worker.add_argument("--queues", required=True)
    worker.add_argument("--concurrency", type=int, required=True)
    commands.add_parser("reconciler")
    given = parser.parse_args(arguments)
    try:
        settings = get_settings()
        if given.command == "reconciler":
            return run_reconciler(settings)
        return run_worker(settings, given.kind, given.queues.split(","), given.concurrency)
    except MnemoError as exc:
        print(f"mnemo: {exc}", file=sys.stderr)  # noqa: T201 - logging may not be set up yet
        return exc.exit_code


def run_worker(settings: Settings, kind: str, queues: list[str], concurrency: int) -> int:
    """A Celery worker that serves `queues` with `concurrency` processes."""
    app = create_app(settings)
    with Database.from_settings(settings, size=2, name=f"mnemolite {kind}") as database:
        heartbeat = Heartbeat(
            settings,
            database,
            process=settings.worker_id,
            kind=kind,
            queues=queues,
            concurrency=concurrency,
            on_drain=_finish,
        )
        heartbeat.start()
        instance = app.Worker(
            hostname=f"{settings.worker_id}@mnemolite",
            queues=queues,
            concurrency=concurrency,
            loglevel="WARNING",  # of Celery's own handlers, which ours replace
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        instance.start()
        heartbeat.stop()
    return EXIT_DRAINED if heartbeat.draining else int(instance.exitcode or 0)


def _finish() -> None:
    """Has Celery's main loop take no more messages, and end when those that it holds are done."""
    state.should_stop = EXIT_DONE  # type: ignore[assignment]  # the stubs know only its first value


def run_reconciler(settings: Settings) -> int:
    """The reconciler, until SIGTERM."""
    # a worker's main process does without them and saves 20 MB
    from tasks.reconcile import Reconciler  # noqa: PLC0415 - see above
    from tasks.runtime import Runtime  # noqa: PLC0415 - see above

    configure_logging(process="reconciler")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    app = create_app(settings)
    runtime = Runtime.from_environment()
    heartbeat = Heartbeat(settings, runtime.database, process=settings.worker_id, kind="reconciler")
    heartbeat.start()
    log.info("reconciler.started")
    Reconciler(runtime, Doorbells(app, runtime.breakers)).run(stop)
    heartbeat.stop()
    runtime.close()
    return 0


@signals.setup_logging.connect
def configure_logging(process: str = "worker", **_: Any) -> None:
    """Our logging instead of Celery's, in main processes and pool children alike."""
    setup_logging(get_settings(), process=process)


if __name__ == "__main__":
    sys.exit(main())
