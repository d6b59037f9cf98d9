"""MnemoLite as it is installed, with a home, servers and workers of its own, and their memory."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from workers.embedded.home import Home

MNEMO = str(Path(sys.executable).with_name("mnemo"))
WATCH_SECONDS = 2.0  # adding up the memory of a process costs milliseconds of its own


@dataclass(slots=True)
class Installation:
    """A home with its own servers and workers."""

    home: Path
    environment: dict[str, str]
    peaks: dict[str, int] = field(default_factory=dict)

    def mnemo(self, *arguments: str) -> str:
        """Runs the command; returns what it printed."""
        done = subprocess.run(
            [MNEMO, *arguments], env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Runs the command with `--json`; returns the document."""
        return json.loads(self.mnemo(*arguments, "--json"))

    def index(self, folder: Path, *options: str) -> dict[str, Any]:
        """Indexes a folder, watching the memory of the workers; returns the receipt."""
        process = subprocess.Popen(
            [MNEMO, "index", str(folder), *options, "--json"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        while process.poll() is None:
            self._watch()
            time.sleep(WATCH_SECONDS)
        receipt: dict[str, Any] = json.loads(process.communicate()[0])
        return receipt

    def _watch(self) -> None:
        """Notes each worker's memory: its main process and all below it, shared pages divided."""
        owner = Home(self.home).owner()
        if owner is None:
            return
        for child in psutil.Process(owner.pid).children():
            try:
                kind = _kind(child.cmdline())
                family = [child, *child.children(recursive=True)]
                total = sum(process.memory_full_info().pss for process in family)
            except psutil.NoSuchProcess:
                continue
            if kind:
                self.peaks[kind] = max(self.peaks.get(kind, 0), total)


@contextmanager
def installation(folder: Path, **variables: str) -> Iterator[Installation]:
    """A fresh home in `folder`, warmed up; stopped at the end."""
    environment = dict(os.environ) | {"MNEMO_HOME": str(folder)} | variables  # noqa: TID251 - passed on
    installed = Installation(folder, environment)
    warm = folder.with_name(f"{folder.name}-warm")
    warm.mkdir()
    (warm / "warm.py").write_text("def warm_up():\n    return 1\n")
    installed.mnemo("up")
    installed.mnemo("index", str(warm))  # processes are up and the model is loaded
    try:
        yield installed
    finally:
        installed.mnemo("down")


def _kind(command: list[str]) -> str | None:
    """parse, embed, … for a worker's main process."""
    return command[command.index("worker") + 1] if "worker" in command else None
