"""Failpoints: places where a test can make this process fail, to prove that nothing is lost there.

`MNEMO_FAILPOINTS="claim=kill@0.1,publish=execute-then-error"` arms them in every process that reads
the settings. An operation `x` has two: `x` strikes before it takes effect, `x.done` just after.
After Temporal's fault injection, whose `ExecuteAndTimeout` is our `execute-then-error`: the
operation succeeds and its caller is told that it failed.
"""

import os
import random
import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from config.errors import DatabaseUnavailableError, MnemoError

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h
ACTIONS = ("error", "execute-then-error", "sleep(seconds)", "exit", "kill")
FAULT = re.compile(
    r"(?P<name>[a-z_.]+)=(?P<action>error|execute-then-error|exit|kill|sleep\((?P<seconds>[\d.]+)\))"
    r"(?:@(?P<probability>[\d.]+))?"
)

OPERATIONS = {
    "enqueue": "the commit that asks for a source to be indexed",
    "discover.begin": "the commit that creates a snapshot",
    "discover.piece": "the commit of a piece of a manifest, its blobs and its batches",
    "discover.attach": "the commit that ties a run to a snapshot that exists already",
    "discover.finish": "the commit that ends a manifest",
    "claim": "the commit that takes a lease and counts the attempt",
    "renew": "the commit that extends a lease",
    "parse.commit": "the commit of a batch's chunks, symbols and references",
    "parse.settle": "the commit that makes a parsed snapshot live",
    "embed.commit": "the commit of a batch's vectors",
    "persist.commit": "the commit that seals a batch",
    "settle": "the commit that completes snapshots and closes runs",
    "postpone": "the commit that gives a batch back for a later attempt",
    "give_up": "the commit that ends a batch whose attempts are used up",
    "cancel": "the commit that cancels a run",
    "expire": "the commit that takes batches back from silent workers",
    "ring": "the commit that marks doorbells as rung",
    "unring": "the commit that takes back doorbells that were not sent",
    "publish": "a message to the broker: a doorbell, or the next one of a chain",
    "replay.claim": "the commit that takes a failed embedding to try it again",
    "replay.heal": "the commit of a vector that had failed",
    "replay.put_back": "the commit that puts a failed embedding back on its list",
    "model.add": "the commit that makes a model a candidate",
    "model.enqueue": "the commit of the batches that a snapshot needs for a candidate",
    "model.switch": "the commit that makes another model the live one",
    "model.drop": "a commit that deletes a piece of a model",
}
MOMENTS = {
    "hold": "a batch is locked, nothing is written yet",
    "store_parsed": "blobs are marked as parsed, their chunks are not written yet",
    "store_vectors": "vectors are written, not committed",
    "advance": "a batch is handed on, not committed",
    "seal": "blobs are sealed, not committed",
    "finish": "a batch is finished, not committed",
    "go_live": "snapshots are marked as parsed, the pointer is not moved yet",
    "encode": "a call of the encoder begins",
    "acknowledge": "a task is done, its message is not acknowledged yet",
}
KNOWN: Mapping[str, str] = {
    **{
        name: meaning
        for operation, what in OPERATIONS.items()
        for name, meaning in ((operation, f"before {what}"), (f"{operation}.done", f"after {what}"))
    },
    **MOMENTS,
}


@dataclass(slots=True)
class Fault:
    """What happens at one failpoint, and how often it did."""

    action: str
    seconds: float = 0.0
    probability: float = 1.0
    struck: int = 0

    def strike(self, error: type[MnemoError]) -> None:
        """Does it, or leaves it to chance.

        Raises:
            MnemoError: of the class that the place names, for `error`.
        """
        if random.random() >= self.probability:  # noqa: S311 - chance, not secrecy
            return
        self.struck += 1
        match self.action:
            case "sleep":
                time.sleep(self.seconds)
            case "exit":
                os._exit(EXIT_CODE)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case _:
                raise error("a failpoint struck")


_armed: dict[str, Fault] = {}


def parse(specification: str) -> dict[str, Fault]:
    """Reads `name=action[@probability],…`.

    Raises:
        ValueError: a name, an action or a probability is unknown; says what is known.
    """
    faults = {}
    for part in filter(None, map(str.strip, specification.split(","))):
        match = FAULT.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is not name=action[@probability]: {', '.join(ACTIONS)}")
        name, probability = match["name"], float(match["probability"] or 1)
        if name not in KNOWN:
            raise ValueError(f"there is no failpoint {name!r}; known are {', '.join(KNOWN)}")
        if probability > 1:
            raise ValueError(f"{part!r}: a probability is at most 1")
        action = match["action"].partition("(")[0]
        faults[name] = Fault(action, float(match["seconds"] or 0), probability)
    return faults


def arm(specification: str) -> dict[str, Fault]:
    """Arms these failpoints in this process and no others; returns them, to be watched.

    Raises:
        ValueError: as `parse`.
    """
    faults = parse(specification)
    _armed.clear()
    _armed.update(faults)
    return faults


def reach(name: str, error: type[MnemoError] = DatabaseUnavailableError) -> None:
    """A moment at which this process may be made to fail.

    Raises:
        MnemoError: an `error` if that is what is armed.
    """
    if _armed and (fault := _armed.get(name)):
        fault.strike(error)


@contextmanager
def around(name: str | None, error: type[MnemoError] = DatabaseUnavailableError) -> Iterator[None]:
    """The failpoints of an operation: `name` before it, `name.done` after it succeeded.

    Raises:
        MnemoError: an `error` if that is what is armed.
    """
    fault = _armed.get(name) if _armed and name else None
    if fault and fault.action != "execute-then-error":
        fault.strike(error)
    yield
    if fault and fault.action == "execute-then-error":
        fault.strike(error)
    if name:
        reach(f"{name}.done", error)
