"""`mnemo model`: another embedding model beside the live one, promoted when it is as good."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from config.errors import EXIT_DONE, EXIT_FINISHED_WITH_FAILURES, BadInputError
from mnemolite.confirm import actor, confirm
from mnemolite.model_status import (
    examination_json,
    find_model,
    overview,
    print_examination,
    print_overview,
    require_roles,
)
from mnemolite.output import count, line, print_json, say, table
from mnemolite.session import open_runtime
from schema import model_roles, saved_queries
from schema.model_roles import SPACES
from schema.runs import get_repository
from search.promotion import examine
from search.query import MAX_QUERY_CHARS
from tasks import model_change
from tasks.runtime import Runtime

Action = Literal["promote", "rollback"]
Space = Annotated[Literal["text", "code", "both"], typer.Option(help="Which vectors.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Force = Annotated[
    bool, typer.Option("--force", help="In spite of what blocks it; missing vectors follow.")
]
app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def model() -> None:
    """Change the embedding model while the index stays searchable."""


@app.command()
def add(
    setting: Annotated[
        str, typer.Argument(help="'packaged', a hub id, or a folder that every worker sees.")
    ],
    space: Space = "both",
    as_json: Json = False,
) -> int:
    """Make a model the candidate: workers make its vectors when nothing else is due."""
    with open_runtime("sql_verify") as runtime:
        require_roles(runtime)
        model_id = model_change.add(runtime, setting, _spaces(space), actor=actor())
        added = runtime.model(model_id)
    if as_json:
        print_json({"candidate": asdict(added), "spaces": _spaces(space)})
    else:
        line(f"{added.name} is a candidate; `mnemo model status` tells how far its vectors are")
    return EXIT_DONE


@app.command()
def status(as_json: Json = False) -> int:
    """Show the models, how far and how good candidates are, and what blocks their promotion."""
    with open_runtime("sql_verify") as runtime:
        shown = overview(runtime)
    if as_json:
        print_json(shown.to_json())
    else:
        print_overview(shown)
    return EXIT_DONE


@app.command()
def promote(
    space: Space = "both",
    force: Force = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Make the candidate live, everywhere at once; 1 where that would make searches worse."""
    return _switch("promote", space, force=force, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command()
def rollback(
    space: Space = "both",
    force: Force = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Make the previous model live again; 1 where it lacks what was indexed since."""
    return _switch("rollback", space, force=force, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command()
def drop(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Its id, name or setting.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> int:
    """Delete a model that is not live, with its vectors and indexes."""
    with open_runtime("sql_verify") as runtime:
        found = find_model(runtime, name)
        with runtime.database.reading() as connection:
            vectors = sum(model_roles.stored(connection).get(found.id, {}).values())
        line(f"{found.name}: {count(vectors)} vectors")
        if dry_run:
            return EXIT_DONE
        confirm(f"delete {found.name} and its vectors?", yes=yes)
        deleted = model_change.drop(
            runtime,
            found,
            actor=actor(),
            progress=lambda done: say(f"{count(done)} of {count(vectors)}"),
        )
    say(f"dropped {found.name}: {count(deleted)} vectors")
    return EXIT_DONE


@app.command("save-query")
def save_query(
    query: Annotated[str, typer.Argument(help="As one would ask `mnemo search`.")],
    repo: Annotated[str, typer.Option(help="The repository that it is about.")],
    expect: Annotated[
        str, typer.Option(metavar="PATH[:LINE]", help="Where the answer stands, as indexed.")
    ],
) -> int:
    """Keep a question and its answer: a candidate must find it where the live model does."""
    if not query.strip() or len(query) > MAX_QUERY_CHARS:
        raise BadInputError(f"a query has between 1 and {MAX_QUERY_CHARS} characters")
    path, _, number = expect.rpartition(":")
    path, number = (path, number) if path and number.isdecimal() else (expect, "0")
    with open_runtime() as runtime, runtime.database.transaction() as connection:
        repository = get_repository(connection, repo)
        query_id = saved_queries.save(connection, repository, query, path, int(number))
    line(f"saved as {query_id}")
    return EXIT_DONE


@app.command()
def queries(as_json: Json = False) -> int:
    """List the saved queries."""
    with open_runtime() as runtime, runtime.database.reading() as connection:
        found = saved_queries.saved(connection)
    if as_json:
        print_json({"queries": [asdict(query) for query in found]})
    else:
        rows = ([q.id, q.repository, q.path, q.name_path or q.line or None, q.query] for q in found)
        table(("id", "repository", "path", "place", "query"), rows)
    return EXIT_DONE


@app.command("forget-query")
def forget_query(
    query_id: Annotated[int, typer.Argument(metavar="ID", help="As `queries` shows it.")],
) -> int:
    """Delete a saved query."""
    with open_runtime() as runtime, runtime.database.transaction() as connection:
        saved_queries.forget(connection, query_id)
    say(f"forgot {query_id}")
    return EXIT_DONE


def _spaces(space: str) -> list[str]:
    return list(SPACES) if space == "both" else [space]


def _switch(
    action: Action, space: str, *, force: bool, dry_run: bool, yes: bool, as_json: bool
) -> int:
    with open_runtime("sql_verify") as runtime:
        models = _other_models(runtime, action, space)
        examined = examine(runtime, models, compare=action == "promote")
        if not as_json:
            print_examination(examined)
        blocked = bool(examined.blockers) and not force
        switched = None
        if not blocked and not dry_run:
            names = " and ".join({runtime.model(model_id).name for model_id in models.values()})
            asked = f"{action}: search {', '.join(models)} vectors of {names} from now on?"
            confirm(asked, yes=yes)
            change = model_change.promote if action == "promote" else model_change.rollback
            switched = change(runtime, models, actor=actor(), force=force)
            say(f"{names} is live")
    if as_json:
        document = {"action": action, "dry_run": dry_run, "switched": switched is not None}
        print_json(document | {"models": models} | examination_json(examined))
    return EXIT_FINISHED_WITH_FAILURES if blocked else EXIT_DONE


def _other_models(runtime: Runtime, action: Action, space: str) -> dict[str, int]:
    """By space the model that is to be live: the candidate, or the one before."""
    roles = require_roles(runtime)
    wanted = {
        one: roles[one].candidate if action == "promote" else roles[one].previous
        for one in _spaces(space)
    }
    models = {one: model_id for one, model_id in wanted.items() if model_id is not None}
    if not models:
        missing = "candidate: `mnemo model add`" if action == "promote" else "previous model"
        raise BadInputError(f"there is no {missing}")
    return models
