"""`mnemo repos`: the repositories of the index."""

from typing import Annotated

import typer

from config.errors import EXIT_DONE
from mnemolite.confirm import confirm
from mnemolite.output import line, print_json, say, table
from mnemolite.session import open_runtime
from schema import overview
from schema.runs import get_repository
from tasks.cancel import remove_repository

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def repos() -> None:
    """List and remove repositories."""


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """List the repositories."""
    with open_runtime() as runtime, runtime.database.reading() as connection:
        rows = overview.repositories(connection)
    if as_json:
        print_json({"repositories": rows})
    else:
        table(
            ("repository", "source", "ref", "commit"),
            ((row["name"], row["location"], row["ref"], row["commit"]) for row in rows),
        )
    return EXIT_DONE


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The repository's name.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> int:
    """Remove a repository; content that others share stays."""
    with open_runtime() as runtime:
        with runtime.database.reading() as connection:
            repository = get_repository(connection, name)
            snapshots = overview.count_snapshots(connection, repository.id)
        line(f"{name}: {snapshots} snapshots of {repository.location}")
        if dry_run:
            return EXIT_DONE
        confirm(f"remove {name} from the index?", yes=yes)
        remove_repository(runtime, repository)
    say(f"removed {name}")
    return EXIT_DONE
