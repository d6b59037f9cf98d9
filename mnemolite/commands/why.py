"""`mnemo why`: why a repository is not finished, in sentences."""

from typing import Annotated

import typer

from config.errors import EXIT_DONE, BrokerUnavailableError
from config.scrub import one_line
from mnemolite.output import line, print_json
from mnemolite.session import open_runtime
from schema import heartbeats, queues, receipts, waiting
from schema.runs import get_repository
from tasks.runtime import Runtime
from workers.reasons import Surroundings, explain

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def why(
    repo: Annotated[str, typer.Argument(help="The repository's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Say why the last run of a repository is not finished: what it waits for, and how long."""
    with open_runtime() as runtime:
        with runtime.database.reading() as connection:
            get_repository(connection, repo)
            run = waiting.last_run(connection, repo)
        reasons = explain(run, _surroundings(runtime, run))
    if as_json:
        state = run and {"run_id": str(run.run_id), "state": run.state, "age_s": run.age}
        print_json({"repository": repo, "run": state, "reasons": reasons})
    else:
        for reason in reasons:
            line(one_line(reason))
    return EXIT_DONE


def _surroundings(runtime: Runtime, run: waiting.Waiting | None) -> Surroundings:
    broker_error = _broker_error(runtime)
    with runtime.database.reading() as connection:
        living = heartbeats.living(connection, runtime.settings.timeouts.lease)
        return Surroundings(
            served={queue for process in living for queue in process.queues},
            paused=queues.paused_queues(connection),
            reconciler=any(process.kind == "reconciler" for process in living),
            broker_error=broker_error,
            progress=None if run is None else receipts.progress(connection, run.run_id),
            chunk_rate=receipts.chunk_rate(connection),
        )


def _broker_error(runtime: Runtime) -> str | None:
    from tasks.doorbells import Doorbells  # noqa: PLC0415 - most commands start without Celery
    from workers.app import create_app  # noqa: PLC0415 - as above

    try:
        with Doorbells(create_app(runtime.settings)).connected() as line_:
            line_.depth("parse")
    except BrokerUnavailableError as exc:
        return str(exc)
    return None
