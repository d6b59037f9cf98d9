"""`mnemo index`: ask for a source to be indexed, follow it, print the receipt."""

import tempfile
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from config.errors import (
    EXIT_COULD_NOT_RUN,
    EXIT_DEPENDENCY_DOWN,
    EXIT_DONE,
    EXIT_FINISHED_WITH_FAILURES,
    RemoteUnavailableError,
)
from mnemolite.commands.search import print_results
from mnemolite.model_status import ignored_settings
from mnemolite.output import count, line, print_json, say, seconds
from mnemolite.plan import make_plan, print_plan
from mnemolite.progress import follow
from mnemolite.session import load_settings, open_runtime
from schema import ledger, receipts, runs
from schema.ledger import Lease
from schema.runs import Asked
from search.query import Searcher
from search.sample import sample_query
from search.scope import Scope
from tasks.discover.git import open_repository
from tasks.discover.remote import check_url
from tasks.discover.source import Source, name_of, parse_source, refuse_secret
from tasks.runtime import Runtime
from tasks.work import work_on

SAMPLE_RESULTS = 3
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be indexed."""

    source: Source
    ref: str | None
    name: str | None
    worktree: bool


@app.command()
def index(
    source: Annotated[str, typer.Argument(help="A folder, a git repository or its https URL.")],
    ref: Annotated[str | None, typer.Option(help="Branch, tag or commit; default HEAD.")] = None,
    name: Annotated[str | None, typer.Option(help="The repository's name in the index.")] = None,
    worktree: Annotated[
        bool, typer.Option("--worktree", help="Index files as they lie, not as committed.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until it is done.")] = True,
    sample: Annotated[bool, typer.Option("--sample", help="End with a sample search.")] = False,
) -> int:
    """Index a repository or folder."""
    request = Request(parse_source(source), ref, name, worktree)
    check(request)
    with open_runtime() as runtime:
        if plan:
            return print_plan(make_plan(runtime, request.source, ref, worktree), as_json=as_json)
        for note in ignored_settings(runtime):
            say(note, style="yellow")
        asked = enqueue(runtime, request)
        if not wait:
            return _print_asked(runtime, asked, as_json=as_json)
        try:
            follow(runtime.database, asked.run_id, runtime.settings.timeouts)
        except KeyboardInterrupt:
            say(f"the run goes on; follow it with `mnemo status {asked.run_id}`")
            raise
        with runtime.database.reading() as connection:
            receipt = receipts.receipt(connection, asked.run_id)
        if as_json:
            print_json(receipt)
        else:
            print_receipt(receipt)
        if sample and not as_json and receipt["state"] in ("succeeded", "partial"):
            _print_sample(runtime, receipt["repository"])
        return exit_code(receipt)


def exit_code(receipt: dict[str, Any]) -> int:
    """0 all done, 1 in part or cancelled, 2 the source was the problem, 3 something was down."""
    if receipt["state"] == "succeeded":
        return EXIT_DONE
    if receipt["state"] in ("partial", "cancelled"):
        return EXIT_FINISHED_WITH_FAILURES
    unavailable = str(receipt["error"]["class"]).endswith("UnavailableError")
    return EXIT_DEPENDENCY_DOWN if unavailable else EXIT_COULD_NOT_RUN


def print_receipt(receipt: dict[str, Any]) -> None:
    """The receipt for people."""
    if receipt["state"] in ("failed", "cancelled"):
        say(f"mnemo: {receipt['error']['message']}", style="red")
        return
    files, vectors, spent = receipt["files"], receipt["vectors"], receipt["seconds"]
    skipped = sum(files["skipped"].values())
    reasons = ", ".join(f"{reason} {count(n)}" for reason, n in files["skipped"].items())
    line(f"{receipt['repository']} @ {receipt['ref']} {receipt['commit'][:12]}: {receipt['state']}")
    line(
        f"  files    {count(files['indexed'])} indexed"
        + (f", {count(skipped)} skipped ({reasons})" if skipped else "")
        + (f", {count(files['quarantined'])} quarantined" if files["quarantined"] else "")
    )
    line(
        f"  chunks   {count(receipt['chunks'])}, vectors: {count(vectors['text'])} text,"
        f" {count(vectors['code'])} code"
        + (f", {count(vectors['failed'])} failed" if vectors["failed"] else "")
    )
    line(
        f"  reused   {count(receipt['reused']['blobs'])} files,"
        f" {count(receipt['reused']['embeddings'])} vectors"
    )
    if receipt["secrets_redacted"]:
        line(f"  secrets  {count(receipt['secrets_redacted'])} redacted before storing")
    line(
        f"  time     {seconds(spent['total'])}; lexically searchable after"
        f" {seconds(spent['lexical'])}"
    )


def check(request: Request) -> None:
    """Refuses a forbidden address or a wrong ref before anything is started or stored."""
    refuse_secret("the ref", request.ref or "")
    refuse_secret("the name", request.name or "")
    if request.source.kind == "url":
        with suppress(RemoteUnavailableError):  # a worker may reach what this host does not
            check_url(request.source.location)
    if request.source.kind != "git" or request.worktree:
        return
    scratch, timeouts = Path(tempfile.gettempdir()), load_settings().timeouts
    with open_repository(request.source, scratch=scratch, timeouts=timeouts) as repository:
        refuse_secret("the ref", repository.resolve(request.ref).name)


def enqueue(runtime: Runtime, request: Request) -> Asked:
    """Writes the request down; a source that only this host can read is listed by this command."""
    here = not load_settings().embedded and request.source.kind != "url"

    def ask(connection: Connection) -> tuple[Asked, Lease | None]:
        asked = runs.enqueue(
            connection,
            kind=request.source.kind,
            location=request.source.location,
            name=request.name,
            default_name=name_of(request.source),
            ref=request.ref,
            worktree=request.worktree,
            correlation_id=uuid.uuid4().hex,
        )
        # in the same transaction, so that no other host, which lacks the path, sees it due
        return asked, _claim(connection, runtime, asked) if here else None

    asked, lease = runtime.transact("enqueue", ask)
    if lease is not None:
        work_on(runtime, lease)
    return asked


def _claim(connection: Connection, runtime: Runtime, asked: Asked) -> Lease | None:
    settings = runtime.settings
    return ledger.claim(
        connection,
        asked.batch_id,
        "discover",
        worker=settings.worker_id,
        seconds=settings.timeouts.lease,
        heed_pause=False,
    )


def _print_asked(runtime: Runtime, asked: Asked, *, as_json: bool) -> int:
    with runtime.database.reading() as connection:
        run = runs.get_run(connection, asked.run_id)
    if as_json:
        print_json(
            {
                "run_id": str(run.id),
                "correlation_id": run.correlation_id,
                "repository": run.repository.name,
                "state": run.state,
            }
        )
    else:
        line(f"asked for {run.repository.name}; follow it with `mnemo status {run.id}`")
    return EXIT_DONE


def _print_sample(runtime: Runtime, repository: str) -> None:
    with runtime.database.reading() as connection:
        query = sample_query(connection, repository)
    if query is None:
        return
    line()
    line(f'$ mnemo search "{query}" --repo {repository}')
    answer = Searcher(runtime).search(
        query, scope=Scope(repository=repository), limit=SAMPLE_RESULTS
    )
    print_results(answer, lines=3)
