"""Which commit an answer reads and how old that is, in one line for people."""

from collections.abc import Sequence
from typing import Any

from config.scrub import one_line
from mnemolite.output import say

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def say_freshness(snapshots: Sequence[dict[str, Any]]) -> None:
    """The snapshot that was read; of several, how many and the oldest of them."""
    if not snapshots:
        return
    oldest = max(snapshots, key=lambda snapshot: snapshot["age_s"])
    several = f"{len(snapshots)} repositories; the oldest: " if len(snapshots) > 1 else ""
    say(one_line(several + _described(oldest)), style="dim")


def _described(snapshot: dict[str, Any]) -> str:
    state = "" if snapshot["state"] == "complete" else f", {snapshot['state']}"
    place = f"{snapshot['repository']} @ {snapshot['ref']} {snapshot['commit'][:12]}"
    return f"{place}{state}, indexed {age(snapshot['age_s'])} ago"


def age(seconds: int) -> str:
    """Seconds in the largest unit that fits."""
    for length, unit in UNITS:
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
