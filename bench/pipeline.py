"""The whole pipeline against the bare encoder, on one corpus: `python -m bench.pipeline`.

Machines are noisy, so what counts are ratios of figures from the same run:

- efficiency: chunks/s of the pipeline ÷ chunks/s of the encoder called on the same texts
- lexical share: time until everything is lexically searchable ÷ the whole time
- speed-up: the pipeline ÷ the same pipeline on torch in float32 with batches of 32 texts
- unchanged: time of a second run ÷ time of the first
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bench.corpus import LINES, standard_library
from bench.installation import Installation, installation
from config.logging import setup_logging
from config.settings import Settings, get_settings
from schema.database import Database
from schema.vectors import MissingVector, sources_of
from tasks.embed.encoder import load_encoder
from tasks.embed.models import model_for
from tasks.embed.stage import input_of
from workers.embedded.home import Home
from workers.launch import with_endpoints

BASELINE = {"MNEMO_ENCODER_BACKEND": "torch-fp32", "MNEMO_ENCODER_BATCH_TEXTS": "32"}


def bare_encoder(
    installed: Installation, repository: str, variables: dict[str, str]
) -> tuple[float, str]:
    """Seconds that the encoder takes for all texts of a repository, and its backend."""
    settings = _settings(installed.home, variables)
    with Database.from_settings(settings) as database:
        texts = _texts(database, repository)
    encoder = load_encoder(settings, model_for(settings, "code"))
    encoder.encode(texts[:64])
    started = time.perf_counter()
    encoder.encode(texts)
    return time.perf_counter() - started, encoder.backend


def _settings(home: Path, variables: dict[str, str]) -> Settings:
    endpoints = Home(home).endpoints()
    assert endpoints is not None
    chosen = {name.removeprefix("MNEMO_").lower(): value for name, value in variables.items()}
    return with_endpoints(Settings.model_validate({"home": home} | chosen), endpoints)


TEXTS = text("""
SELECT DISTINCT ON (want.input_id) c.id AS chunk_id, c.blob_id, b.language, want.space,
       s.text_model_id AS model_id, want.input_id, c.kind, c.name_path, c.signature, c.docstring,
       c.start_byte, c.end_byte
  FROM repositories p
  JOIN refs r ON r.repository_id = p.id AND r.name = p.default_ref
  JOIN snapshots s ON s.id = r.live_snapshot_id
  JOIN snapshot_files f ON f.snapshot_id = s.id
  JOIN blobs b ON b.id = f.blob_id
  JOIN code_chunks c ON c.blob_id = b.id
 CROSS JOIN LATERAL (VALUES ('text', c.text_id), ('code', c.code_id)) want (space, input_id)
 WHERE p.name = :repository ORDER BY want.input_id
""")


def _texts(database: Database, repository: str) -> list[str]:
    """Every distinct text that was embedded, rebuilt as the pipeline builds it."""
    with database.reading() as connection:
        rows = connection.execute(TEXTS, {"repository": repository})
        wants = [MissingVector(*row) for row in rows]
        sources = sources_of(connection, (want.blob_id for want in wants))
    return [input_of(want, sources[want.blob_id]) for want in wants]


def main() -> None:
    """Prints the figures as JSON, the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--skip-baseline", action="store_true", help="leave out torch float32")
    given = parser.parse_args()
    setup_logging(get_settings(), process="bench")  # to stderr: stdout carries the figures
    with tempfile.TemporaryDirectory(prefix="mnemo-bench-") as name:
        root = Path(name)
        root.chmod(0o711)
        corpus = root / "corpus"
        lines = standard_library(corpus, given.lines)
        figures = measure(root / "fast", corpus)
        if not given.skip_baseline:
            baseline = measure(root / "baseline", corpus, **BASELINE)
            ratio = figures["chunks_per_second"] / baseline["chunks_per_second"]
            figures["ratios"]["speed-up over torch-fp32, batch 32"] = round(ratio, 2)
            figures["baseline"] = baseline
    print(json.dumps({"lines": lines} | figures, indent=2))


def measure(home: Path, corpus: Path, **variables: str) -> dict[str, Any]:
    """One installation: index, index again, and the encoder alone."""
    with installation(home, **variables) as installed:
        first = installed.index(corpus)
        again = installed.index(corpus)
        alone, backend = bare_encoder(installed, first["repository"], variables)
    spent, chunks = first["seconds"], first["chunks"]
    return {
        "backend": backend,
        "files": first["files"]["indexed"],
        "chunks": chunks,
        "seconds": spent,
        "seconds_unchanged": again["seconds"]["total"],
        "files_per_second": round(first["files"]["indexed"] / spent["total"], 1),
        "chunks_per_second": round(chunks / spent["total"], 1),
        "encoder_chunks_per_second": round(chunks / alone, 1),
        "peak_mib": {kind: peak >> 20 for kind, peak in sorted(installed.peaks.items())},
        "ratios": {
            "efficiency": round(alone / spent["total"], 3),
            "lexical share": round(spent["lexical"] / spent["total"], 3),
            "unchanged": round(again["seconds"]["total"] / spent["total"], 4),
        },
    }


if __name__ == "__main__":
    main()
