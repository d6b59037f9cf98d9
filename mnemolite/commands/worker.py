"""`mnemo worker`: run workers on this host, and see those of the fleet."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from config.errors import EXIT_DONE, BadInputError, ConfigurationError
from mnemolite.output import print_json, say, seconds, table
from mnemolite.session import load_settings, open_runtime
from schema import heartbeats
from schema.database import Database
from tasks.runtime import Runtime
from workers.fleet import fleet
from workers.supervisor import Supervisor, stop_on_signals

WAIT_SECONDS = 0.5
app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def worker() -> None:
    """Run, list and drain workers."""


@app.command()
def start(
    queues: Annotated[str, typer.Option(help="Comma-separated; default: all queues.")] = "",
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes per worker.")
    ] = None,
    reconciler: Annotated[bool, typer.Option(help="Run a reconciler beside them.")] = True,
) -> int:
    """Run workers until SIGTERM. They share nothing but the database and the broker."""
    settings = load_settings()
    if settings.database_url is None or settings.broker_url is None:
        raise ConfigurationError(
            "set MNEMO_DATABASE_URL and MNEMO_BROKER_URL: workers of the embedded mode are"
            " started by `mnemo up`"
        )
    names = [name.strip() for name in queues.split(",") if name.strip()]
    specs = fleet(settings, queues=names, concurrency=concurrency, reconciler=reconciler)
    with Database.from_settings(settings, size=1) as database:
        database.ping()
    say(f"starting {', '.join(spec.name for spec in specs)}; stop with Ctrl-C or SIGTERM")
    Supervisor(specs, grace=settings.timeouts.soft_shutdown).run(stop_on_signals())
    return EXIT_DONE


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """List the workers that were seen in the last half minute."""
    with open_runtime() as runtime, runtime.database.reading() as connection:
        living = heartbeats.living(connection, runtime.settings.timeouts.lease)
    if as_json:
        print_json({"workers": [asdict(process) for process in living]})
        return EXIT_DONE
    table(
        ("process", "kind", "queues", "processes", "done", "state", "seen", "last progress"),
        (
            (
                process.process,
                process.kind,
                ", ".join(process.queues),
                process.concurrency,
                process.done,
                "draining" if process.draining else "working",
                f"{seconds(process.seen_age)} ago",
                seconds(process.progress_age),
            )
            for process in living
        ),
    )
    return EXIT_DONE


@app.command()
def drain(
    processes: Annotated[
        list[str] | None, typer.Argument(help="Names, as `mnemo worker list` shows them.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every worker of the fleet.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when they have stopped.")] = False,
) -> int:
    """Ask workers to finish what they hold and stop; their supervisors do not start them again."""
    if bool(processes) == every:
        raise BadInputError("name workers, or drain all with --all; `mnemo worker list` shows them")
    with open_runtime() as runtime:
        life = runtime.settings.timeouts.lease
        with runtime.database.transaction() as connection:
            asked = heartbeats.drain(connection, None if every else processes, life)
            unknown = sorted(set(processes or ()) - set(asked))
            if unknown:
                raise BadInputError(f"no living worker is called {', '.join(unknown)}")
        say(f"asked to drain: {', '.join(asked) or 'nobody, no worker lives'}")
        if wait:
            _await_gone(runtime, set(asked))
    say(
        "start them again with `mnemo worker start`; in the embedded mode: `mnemo down`, `mnemo up`"
    )
    return EXIT_DONE


def _await_gone(runtime: Runtime, names: set[str]) -> None:
    while names:
        time.sleep(WAIT_SECONDS)
        with runtime.database.reading() as connection:
            living = heartbeats.living(connection, runtime.settings.timeouts.lease)
        names &= {process.process for process in living}
