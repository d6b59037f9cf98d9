"""`mnemo doctor`: is this installation fit to run, and where can tests make it fail?"""

from dataclasses import asdict
from typing import Annotated

import typer

from config import failpoints
from config.errors import EXIT_DONE
from mnemolite.output import line, print_json, table
from mnemolite.session import load_settings
from workers.doctor import Finding, examine, verdict

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def doctor(
    list_failpoints: Annotated[
        bool, typer.Option("--failpoints", help="List what MNEMO_FAILPOINTS accepts instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Check the installation: 0 it is fit, 2 something must be repaired, 3 a server is down."""
    settings = load_settings()
    if list_failpoints:
        return _print_failpoints(as_json=as_json)
    findings = []
    for finding in examine(settings):
        findings.append(finding)
        if not as_json:
            line(_line(finding))
    code = verdict(findings)
    if as_json:
        print_json({"ok": code == EXIT_DONE, "checks": [_to_json(each) for each in findings]})
    return code


def _line(finding: Finding) -> str:
    mark = "ok   " if finding.exit_code == EXIT_DONE else "WRONG"
    return f"{mark}  {finding.name:<20}  {finding.detail}"


def _to_json(finding: Finding) -> dict[str, object]:
    values = asdict(finding)
    return {"ok": values.pop("exit_code") == EXIT_DONE, **values}


def _print_failpoints(*, as_json: bool) -> int:
    if as_json:
        print_json({"actions": list(failpoints.ACTIONS), "failpoints": dict(failpoints.KNOWN)})
    else:
        table(("failpoint", "strikes"), failpoints.KNOWN.items())
    return EXIT_DONE
