"""`mnemo queue`: what waits where, and stopping and resuming the work on it."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from config.errors import EXIT_DONE, BrokerUnavailableError
from mnemolite.output import print_json, say, seconds, table
from mnemolite.session import open_runtime
from schema import heartbeats, queues, runs
from tasks.runtime import Runtime

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="The queue's name; `mnemo queue list` shows them.")]


@app.callback()
def queue() -> None:
    """List, pause and resume queues."""


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """List the queues: what is due, what is being done, who serves them."""
    with open_runtime() as runtime:
        rows = _rows(runtime)
    if as_json:
        print_json({"queues": rows})
        return EXIT_DONE
    table(
        ("queue", "state", "due", "oldest", "later", "held", "announced", "consumers"),
        (
            (
                row["queue"],
                "paused" if row["paused"] else "running",
                row["due"],
                seconds(row["oldest_age_s"]),
                row["later"],
                row["leased"],
                "?" if row["ready"] is None else row["ready"],
                row["consumers"],
            )
            for row in rows
        ),
    )
    return EXIT_DONE


@app.command()
def pause(name: Name) -> int:
    """Let no work start on a queue; what is being done is finished, what is asked for waits."""
    return _set_paused(name, True)


@app.command()
def resume(name: Name) -> int:
    """Let the work on a queue go on."""
    return _set_paused(name, False)


def _set_paused(name: str, paused: bool) -> int:
    with open_runtime() as runtime, runtime.database.transaction() as connection:
        changed = queues.set_paused(connection, name, paused)
        if not paused:
            runs.announce(connection)
    state = "paused" if paused else "running"
    say(f"{name} is {state}" if changed else f"{name} was {state} already")
    return EXIT_DONE


def _rows(runtime: Runtime) -> list[dict[str, Any]]:
    with runtime.database.reading() as connection:
        loads = queues.loads(connection)
        living = heartbeats.living(connection, runtime.settings.timeouts.lease)
    ready = _ready(runtime)
    return [
        asdict(load)
        | {
            "ready": ready.get(load.queue),
            "consumers": sum(load.queue in process.queues for process in living),
        }
        for load in loads
    ]


def _ready(runtime: Runtime) -> dict[str, int]:
    """Messages that wait in each queue; nothing where the broker does not answer."""
    # the only command that asks the broker: the others start without Celery
    from tasks.doorbells import Doorbells  # noqa: PLC0415 - see above
    from workers.app import create_app  # noqa: PLC0415 - see above

    try:
        with Doorbells(create_app(runtime.settings)).connected() as line:
            return {queue: line.depth(stage) for stage, queue in queues.QUEUE_OF.items()}
    except BrokerUnavailableError as exc:
        say(f"how much is announced is not known: {exc}", style="yellow")
        return {}
