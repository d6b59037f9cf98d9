"""Which failures a command means: `--where KEY=VALUE` and named options become one filter."""

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from config.errors import BadInputError
from schema.triage import Filter, filter_names
from search.scope import like_pattern

STAGES = ("discover", "parse", "embed")
STATES = ("pending", "leased", "quarantined", "failed", "discarded")
AGE = re.compile(r"(\d{1,6})([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def options(
    where: Annotated[
        list[str] | None,
        typer.Option(help=f"KEY=VALUE, repeatable; keys: {', '.join(filter_names())}."),
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Only this one.")] = None,
    stage: Annotated[str | None, typer.Option(help="discover, parse or embed.")] = None,
    state: Annotated[str | None, typer.Option(help="Default: all but discarded.")] = None,
    class_: Annotated[str | None, typer.Option("--class", help="An error class.")] = None,
    repo: Annotated[str | None, typer.Option(help="Only this repository.")] = None,
    lang: Annotated[str | None, typer.Option(help="Only this language.")] = None,
    path: Annotated[str | None, typer.Option(help="A glob: *.py, src/**.")] = None,
    since: Annotated[str | None, typer.Option(help="A date, or an age such as 2h.")] = None,
    until: Annotated[str | None, typer.Option(help="A date, or an age such as 3d.")] = None,
    text: Annotated[str | None, typer.Option(help="Part of the message.")] = None,
) -> Filter:
    """The filter that these options ask for."""
    named = {"id": id_, "stage": stage, "state": state, "class": class_, "repo": repo} | {
        "lang": lang,
        "path": path,
        "since": since,
        "until": until,
        "text": text,
    }
    return parse_filter(where or [], named, now=datetime.now(UTC))


def filtered(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the options above; it gets their filter as its argument `wanted`."""

    @functools.wraps(command)
    def run(**given: Any) -> int:
        mine = {name: given.pop(name) for name in inspect.signature(options).parameters}
        return command(wanted=options(**mine), **given)

    own = inspect.signature(command)
    rest = [each for name, each in own.parameters.items() if name != "wanted"]
    parameters = [*inspect.signature(options).parameters.values(), *rest]
    keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    run.__signature__ = own.replace(parameters=keyword)  # type: ignore[attr-defined]  # inspect's protocol
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def parse_filter(where: Sequence[str], named: dict[str, str | None], *, now: datetime) -> Filter:
    """One filter of `KEY=VALUE` terms and named options; a key may be given once.

    Raises:
        BadInputError: a key or value does not exist, or a key is given twice.
    """
    values: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    for term in where:
        key, equals, value = term.partition("=")
        if not equals or key not in filter_names():
            raise BadInputError(
                f"--where takes KEY=VALUE with one of the keys {', '.join(filter_names())},"
                f" not {term!r}"
            )
        if key in values:
            raise BadInputError(f"{key} is given twice")
        values[key] = value
    _require_one_of(values, "stage", STAGES)
    _require_one_of(values, "state", STATES)
    for key in {"since", "until"} & values.keys():
        values[key] = parse_moment(values[key], now=now)
    if "path" in values:
        values["path"] = like_pattern(values["path"])
    if "class" in values:
        values["error_class"] = values.pop("class")
    return Filter(**values)


def parse_moment(value: str, *, now: datetime) -> datetime:
    """An ISO date or time (UTC unless it says otherwise), or an age before `now`: 90s, 2h, 3d.

    Raises:
        BadInputError: it is neither.
    """
    if age := AGE.fullmatch(value):
        return now - timedelta(**{UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise BadInputError(
            f"{value!r} is neither a date such as 2026-01-31 nor an age such as 2h or 3d"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _require_one_of(values: dict[str, Any], key: str, known: Sequence[str]) -> None:
    if key in values and values[key] not in known:
        raise BadInputError(f"{key} is one of {', '.join(known)}, not {values[key]!r}")
