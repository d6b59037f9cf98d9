"""`mnemo queue`: what waits where, and holding a queue back."""

from typing import Annotated, Any

import typer

from config.errors import EXIT_DONE, BadInputError, BrokerUnavailableError
from mnemolite.output import print_json, say, seconds, table
from mnemolite.session import open_runtime
from schema import heartbeats, queues, runs
from tasks.doorbells import Doorbells
from tasks.runtime import Runtime
from workers.app import create_app

Name = Annotated[
    str | None, typer.Argument(metavar="QUEUE", help="As `list` shows it; default: all.")
]
app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def queue() -> None:
    """List, pause and resume queues."""


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """List the queues: what waits in the broker and in the ledger, and who serves it."""
    with open_runtime() as runtime:
        with runtime.database.reading() as connection:
            rows = queues.depths(connection)
            living = heartbeats.living(connection, runtime.settings.timeouts.lease)
        ready = _ready(runtime)
    for row in rows:
        row["ready"] = ready.get(row["stage"])
        row["consumers"] = sum(row["queue"] in process.queues for process in living)
    if as_json:
        print_json({"queues": rows})
        return EXIT_DONE
    names = ("queue", "paused", "ready", "due", "not_due", "leased", "consumers")
    table(
        (*(name.replace("_", " ") for name in names), "oldest due"),
        ([*(row[name] for name in names), seconds(row["oldest_due_age_s"])] for row in rows),
    )
    return EXIT_DONE


@app.command()
def pause(name: Name = None) -> int:
    """Hold a queue back: work may be asked for, but nobody takes it."""
    return _set(name, paused=True)


@app.command()
def resume(name: Name = None) -> int:
    """Let a queue run again."""
    return _set(name, paused=False)


def _set(name: str | None, *, paused: bool) -> int:
    known = tuple(queues.QUEUES.values())
    if name is not None and name not in known:
        raise BadInputError(f"there is no queue {name}; the queues are {', '.join(known)}")
    chosen = known if name is None else (name,)
    with open_runtime() as runtime, runtime.database.transaction() as connection:
        for each in chosen:
            queues.set_paused(connection, each, paused=paused)
        runs.announce(connection)
    say(f"{'paused' if paused else 'resumed'}: {', '.join(chosen)}")
    return EXIT_DONE


def _ready(runtime: Runtime) -> dict[str, Any]:
    """Messages that wait in the broker by stage; empty with the broker down."""
    app = create_app(runtime.settings)
    try:
        with Doorbells(app).connected() as broker:
            return {stage: broker.depth(stage) for stage in queues.QUEUES}
    except BrokerUnavailableError as exc:
        say(str(exc), style="yellow")
        return {}
    finally:
        app.close()
