"""Others that answer the same queries over the same folders: semble, and ripgrep as the floor.

semble runs in an environment of its own, made once. Its own model is on a hub and therefore absent;
it gets a static model that Model2Vec distils from the model that MnemoLite is packaged with.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.retrieval.judge import Query, Span
from bench.retrieval.ripgrep import RIPGREP, Ripgrep
from config.settings import Settings
from tasks.embed.models import model_for

SEMBLE = "semble==0.7.0"
# torch of this version is the one whose CPU build most mirrors carry; distilling needs it once
DISTILLER = ("model2vec[distill,quantization]==0.10.0", "torch==2.13.0")
DISTIL = """
import sys
from model2vec.distill import distill
distill(model_name=sys.argv[1], pca_dims=256).save_pretrained(sys.argv[2])
"""


@dataclass(frozen=True, slots=True)
class PeerAnswers:
    """What a peer answered to every query, and how long it took, in milliseconds."""

    title: str
    answers: list[list[Span]]
    milliseconds: list[float]
    note: str


def require(cache: Path) -> None:
    """Makes sure that all peers are there, before anything long is begun.

    Raises:
        SystemExit: one is not, and cannot be installed.
    """
    if shutil.which(RIPGREP) is None:
        raise SystemExit("ripgrep is not on PATH: on Debian or Ubuntu `apt install ripgrep`")
    _semble(cache)


def ask_semble(cache: Path, folder: Path, queries: Sequence[Query]) -> list[PeerAnswers]:
    """Lets semble index a folder and answer, with its ranking and without."""
    python, model = _semble(cache)
    request = json.dumps({"folder": str(folder), "queries": [query.text for query in queries]})
    script = Path(__file__).with_name("semble_answers.py")
    own = cache / "semble"
    environment = dict(os.environ) | {  # noqa: TID251 - passed on, not read
        "SEMBLE_MODEL_NAME": str(model),
        "SEMBLE_CACHE_LOCATION": str(own / "indexes"),
        "HF_HUB_OFFLINE": "1",
    }
    done = _run([str(python), str(script)], "semble", given=request, environment=environment)
    found = json.loads(done)
    return [
        PeerAnswers(
            f"{SEMBLE.replace('==', ' ')}{title}",
            [[Span(*place) for place in places] for _, places in found[key]],
            [milliseconds for milliseconds, _ in found[key]],
            f"{found['chunks']:,} chunks",
        )
        for key, title in (("answers", ""), ("unranked", " without its ranking"))
    ]


def ask_ripgrep(folder: Path, queries: Sequence[Query]) -> PeerAnswers:
    """Lets ripgrep look for the words of each query."""
    ripgrep = Ripgrep(folder)
    found = [ripgrep.ask(query.text) for query in queries]
    return PeerAnswers(
        "ripgrep",
        [places for _, places in found],
        [milliseconds for milliseconds, _ in found],
        "windows of lines",
    )


def _semble(cache: Path) -> tuple[Path, Path]:
    """Its interpreter and its model; installed and distilled where they are missing."""
    own = cache / "semble"
    python, model = own / "venv" / "bin" / "python", own / "model"
    wanted, installed = [SEMBLE, *DISTILLER], own / "installed.json"
    if not installed.exists() or json.loads(installed.read_text()) != wanted:
        venv.create(own / "venv", with_pip=True)
        _run([str(python), "-m", "pip", "install", "--quiet", *wanted], "installing semble")
        installed.write_text(json.dumps(wanted))
    if not (model / "config.json").exists():
        packaged = model_for(Settings(), "code").path
        _run([str(python), "-c", DISTIL, str(packaged), str(model)], "distilling semble's model")
    return python, model


def _run(
    command: Sequence[str],
    what: str,
    *,
    given: str = "",
    environment: dict[str, str] | None = None,
) -> str:
    print(f"{what} …", file=sys.stderr)
    done = subprocess.run(
        command, input=given, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr[-3_000:]}")
    return done.stdout
