"""`mnemo failed`: what could not be done, where and why; trying it again, or putting it aside."""

from dataclasses import asdict
from typing import Annotated

import typer

from config.errors import EXIT_DONE
from mnemolite.confirm import actor, confirm
from mnemolite.failure_filter import filtered
from mnemolite.output import count, line, print_json, say, table
from mnemolite.session import open_runtime
from schema import audit as audit_log
from schema.triage import Filter, count_failures, group_failures, list_failures, show_failure
from tasks.release import Action, release

Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Rows at the most.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what matches.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def failed() -> None:
    """List, retry and discard what failed: embeddings, files, runs."""


@app.command("list")
@filtered
def list_(wanted: Filter, limit: Limit = 100, as_json: Json = False) -> int:
    """List failed embeddings, quarantined files and failed runs, newest first."""
    with open_runtime() as runtime, runtime.database.reading() as connection:
        failures = list_failures(connection, wanted, limit=limit)
    if as_json:
        print_json({"failures": [asdict(failure) for failure in failures]})
    elif not failures:
        say("nothing has failed" if wanted == Filter() else "nothing matches")
    else:
        names = ("id", "state", "repository", "path", "start_line", "error_class", "message")
        rows = ([getattr(failure, name) for name in names] for failure in failures)
        table(("id", "state", "repository", "path", "line", "error", "message"), rows)
    return EXIT_DONE


@app.command()
@filtered
def groups(wanted: Filter, as_json: Json = False) -> int:
    """Group what failed by stage and error signature, most frequent first."""
    with open_runtime() as runtime, runtime.database.reading() as connection:
        found = group_failures(connection, wanted)
    if as_json:
        print_json({"groups": [asdict(group) for group in found]})
        return EXIT_DONE
    names = ("count", "stage", "signature", "first_seen", "last_seen", "sample_id", "sample")
    rows = ([getattr(group, name) for name in names] for group in found)
    table(("count", "stage", "signature", "first seen", "last seen", "id", "place"), rows)
    return EXIT_DONE


@app.command()
def show(
    failure_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    as_json: Json = False,
) -> int:
    """Show everything known of one failure."""
    with open_runtime() as runtime, runtime.database.reading() as connection:
        found = show_failure(connection, failure_id)
    if as_json:
        print_json(found)
        return EXIT_DONE
    places = found.pop("places")
    table(("field", "value"), ((name, value) for name, value in found.items() if value is not None))
    if places:
        table(tuple(places[0]), (tuple(place.values()) for place in places))
    return EXIT_DONE


@app.command()
@filtered
def retry(wanted: Filter, dry_run: DryRun = False, yes: Yes = False, as_json: Json = False) -> int:
    """Try again whatever matches, with a fresh budget of attempts."""
    return _release("retry", wanted, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command()
@filtered
def discard(
    wanted: Filter, dry_run: DryRun = False, yes: Yes = False, as_json: Json = False
) -> int:
    """Put aside whatever matches: no longer tried or listed, still counted as failed."""
    return _release("discard", wanted, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command()
def audit(limit: Limit = 100, as_json: Json = False) -> int:
    """List who retried or discarded what, newest first."""
    with open_runtime() as runtime, runtime.database.reading() as connection:
        entries = audit_log.entries(connection, limit)
    if as_json:
        print_json({"audit": entries})
        return EXIT_DONE
    names = ("at", "actor", "action", "filter", "matched", "changed")
    table(names, ([entry[name] for name in names] for entry in entries))
    return EXIT_DONE


def _release(action: Action, wanted: Filter, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    with open_runtime() as runtime:
        with runtime.database.reading() as connection:
            counts = count_failures(connection, wanted)
        matched, changed = sum(row["count"] for row in counts), 0
        if not as_json:
            for row in counts:
                line(f"{row['stage']} {row['error_class']}: {count(row['count'])}")
        if matched and not dry_run:
            confirm(f"{action} {count(matched)} failures?", yes=yes)
            matched, changed = release(runtime, action, wanted, actor=actor(), progress=_progress)
    if as_json:
        result = {"action": action, "dry_run": dry_run, "matched": matched, "changed": changed}
        print_json(result | {"counts": counts})
    else:
        say(f"{count(matched)} match, {count(changed)} changed")
    return EXIT_DONE


def _progress(done: int, matched: int) -> None:
    if done < matched:
        say(f"{count(done)} of {count(matched)}")
