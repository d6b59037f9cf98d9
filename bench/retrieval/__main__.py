"""`python -m bench.retrieval measure | tune | ablate | failures | report`, as Markdown on stdout.

`measure`, `tune`, `ablate` and `failures` look at the TUNE set, `report` at the REPORT set, which
nothing else ever sees. Indexes, vectors and what arms found are kept under `--cache`: the first run
takes many minutes, the next ones seconds.
"""

import argparse
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

from bench.retrieval import peers
from bench.retrieval.ablation import constants, decisions, spaces, words
from bench.retrieval.corpus import NAMES, corpus
from bench.retrieval.failures import failures
from bench.retrieval.figures import figures
from bench.retrieval.laboratory import Laboratory, laboratory
from bench.retrieval.tuned import tuned
from config.logging import setup_logging
from config.settings import Settings

COMMANDS = ("measure", "report", "tune", "ablate", "failures")


def default_cache() -> Path:
    """As for `MNEMO_HOME`: PostgreSQL's user cannot enter root's own folders."""
    if os.geteuid() == 0:
        return Path("/var/cache/mnemolite-bench")
    return user_cache_path("mnemolite-bench", appauthor=False)


def parts(given: argparse.Namespace, lab: Laboratory) -> Iterator[str]:
    """What a command prints, part by part."""
    cache: Path = given.cache
    chosen = corpus("report" if given.command == "report" else "tune", cache)
    match given.command:
        case "measure" | "report":
            peers.require(cache)
            yield from figures(lab, chosen, cache)
        case "tune":
            yield from tuned(lab, chosen, cache)
        case "failures":
            yield from failures(lab, chosen, cache, given.names, given.count)
        case _:
            yield from constants(lab, chosen, cache)
            yield from spaces(lab, chosen, cache)
            yield from words(lab, chosen, cache)
            if not given.constants_only:
                yield from decisions(lab, chosen, cache)


def main() -> None:
    """Parses the command line and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.retrieval", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--cache", type=Path, default=default_cache(), help="default: %(default)s")
    parser.add_argument("--fresh", action="store_true", help="forget indexes, vectors, recordings")
    parser.add_argument("--constants-only", action="store_true", help="ablate: no other indexes")
    parser.add_argument("--names", choices=NAMES, default="kept", help="failures: of these")
    parser.add_argument("--count", type=int, default=10, help="failures: so many")
    given = parser.parse_args()
    given.cache = given.cache.absolute()
    setup_logging(Settings.model_validate({"log_level": "warning"}), process="bench")
    if given.fresh:
        for kept in ("home", "recordings", "corpora", "semble"):
            shutil.rmtree(given.cache / kept, ignore_errors=True)
    given.cache.mkdir(parents=True, exist_ok=True)
    with laboratory(given.cache) as lab:
        for part in parts(given, lab):
            print(part, flush=True)


if __name__ == "__main__":
    main()
