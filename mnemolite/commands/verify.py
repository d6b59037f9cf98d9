"""`mnemo verify`: proof that the index holds exactly what the source holds."""

from typing import Annotated

import typer

from config.errors import EXIT_DONE, EXIT_FINISHED_WITH_FAILURES
from config.scrub import printable
from mnemolite.output import count, line, print_json
from mnemolite.session import open_runtime
from tasks.verify import Verdict, verify_repository

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def verify(
    repo: Annotated[str, typer.Argument(help="The repository's name.")],
    ref: Annotated[str | None, typer.Option(help="This ref instead of the default one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Compare the live index of a repository with its source."""
    with open_runtime("sql_verify") as runtime:
        verdict = verify_repository(runtime, repo, ref)
    if as_json:
        print_json(verdict.to_json())
    else:
        _print(verdict)
    return EXIT_DONE if verdict.ok else EXIT_FINISHED_WITH_FAILURES


def _print(verdict: Verdict) -> None:
    stored = verdict.stored
    line(f"{verdict.repository} {verdict.commit[:12]}: {'ok' if verdict.ok else 'NOT ok'}")
    line(
        f"  {count(stored['files'])} of {count(verdict.expected['files'])} files,"
        f" {count(stored['chunks'])} chunks, {count(stored['vectors_text'])} text and"
        f" {count(stored['vectors_code'])} code vectors, {count(stored['symbols'])} symbols"
    )
    line(f"  digest {verdict.digest}")
    for title, paths in (
        ("missing", verdict.missing),
        ("unexpected", verdict.unexpected),
        ("duplicates", verdict.duplicates),
    ):
        for path in paths[:20]:
            line(f"  {title}: {printable(path)}")
    if verdict.outstanding:
        line(f"  {count(verdict.outstanding)} files are still being worked on")
