"""The embed stage: only the vectors that no content ever had, written as a cache.

Vectors are keyed by content, so a chain that dies after this stage loses nothing. What fails is
bisected until the poison text stands alone; its neighbours get their vectors.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pgvector import HalfVector
from sqlalchemy import Connection

from config import failpoints
from config.errors import EmbeddingError, EncoderUnavailableError
from config.logging import get_logger
from schema import ledger, model_roles, vectors
from schema.ledger import Lease
from schema.vectors import MissingVector
from tasks.breaker import Breaker
from tasks.embed.encoder import Encoder
from tasks.embed.inputs import text_input
from tasks.lease import Keeper
from tasks.runtime import Runtime

TEXTS_PER_CALL = 1024  # enough for the length sort to pay; bounds what one failing call repeats
FAILING_CALLS = 64  # then it is the encoder that fails, not a text
log = get_logger("embed")


@dataclass(slots=True)
class Encoded:
    """Vectors and failures of some inputs, by input id."""

    vectors: dict[int, HalfVector] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)


def embed_batch(runtime: Runtime, lease: Lease, keeper: Keeper) -> None:
    """Encodes what the batch's chunks still need and hands the batch on to persist.

    Raises:
        LeaseLostError: another worker owns the batch; nothing was written.
        EncoderUnavailableError: this host cannot encode for the batch's models.
        CircuitOpenError: encoding kept failing and is not tried for a while.
    """
    with runtime.database.reading() as connection:
        missing = vectors.missing_vectors(connection, lease.batch_id)
        sources = vectors.sources_of(connection, (want.blob_id for want in missing))
    breaker = runtime.breakers.candidate() if lease.candidate else runtime.breakers.encoder()
    encoded: dict[int, Encoded] = {}
    for model_id, wants in _by_model(missing).items():
        texts = {want.input_id: input_of(want, sources[want.blob_id]) for want in wants}
        encoder = runtime.encoder(model_id, breaker)
        encoded[model_id] = _encode(encoder, breaker, texts, keeper)
    failures = {key: why for result in encoded.values() for key, why in result.failures.items()}

    def commit(connection: Connection) -> int:
        ledger.hold(connection, lease)
        model_roles.hold(connection)
        count = _store(connection, missing, encoded)
        if failures:
            error = EmbeddingError("the encoder gave no vector")
            vectors.record_failures(connection, lease.batch_id, error, failures, encoded)
        ledger.advance(connection, lease, "persist", {"encoded": count})
        return count

    count = runtime.transact("embed.commit", commit)
    log.info("embed.done", batch=lease.batch_id, vectors=count, failed=len(failures))


def input_of(want: MissingVector, source: bytes) -> str:
    """The text that a chunk is embedded as in the space that it lacks."""
    body = source[want.start_byte : want.end_byte].decode(errors="replace")
    if want.space == "code":
        return body
    return text_input(want.language, want.name_path, want.signature, want.docstring, body)


def _by_model(missing: Sequence[MissingVector]) -> dict[int, list[MissingVector]]:
    """The wants of each model. Spaces of one model share calls, and the vectors of equal texts."""
    models: dict[int, list[MissingVector]] = defaultdict(list)
    for want in missing:
        models[want.model_id].append(want)
    return models


def _store(
    connection: Connection, missing: Sequence[MissingVector], encoded: Mapping[int, Encoded]
) -> int:
    """Stores the vector of every want that got one, each input once; returns how many.

    Those of a model that was dropped meanwhile are left out.
    """
    known = model_roles.existing(connection, encoded)
    rows: dict[tuple[int, str], dict[int, HalfVector]] = defaultdict(dict)
    for want in missing:
        vector = encoded[want.model_id].vectors.get(want.input_id)
        if vector is not None and want.model_id in known:
            rows[want.model_id, want.space][want.input_id] = vector
    for (model_id, space), found in rows.items():
        vectors.store_vectors(connection, model_id, space, list(found.items()))
    return sum(map(len, rows.values()))


def _encode(
    encoder: Encoder, breaker: Breaker, texts: Mapping[int, str], keeper: Keeper
) -> Encoded:
    result = Encoded()
    ids = list(texts)
    for start in range(0, len(ids), TEXTS_PER_CALL):
        keeper.check()
        with breaker.guard():  # around the halving: one poison text is no failing encoder
            _encode_into(result, encoder, texts, ids[start : start + TEXTS_PER_CALL])
    return result


def _encode_into(
    result: Encoded, encoder: Encoder, texts: Mapping[int, str], ids: list[int]
) -> None:
    """Encodes `ids` in one call, or, where that fails, in halves, down to the text that fails."""
    groups, failing = [ids], 0
    while groups:
        group = groups.pop()
        try:
            failpoints.reach("encode", EncoderUnavailableError)
            found = encoder.encode([texts[key] for key in group])
        except EncoderUnavailableError as exc:
            failing += 1
            if failing > FAILING_CALLS:
                raise
            if len(group) == 1:
                result.failures[group[0]] = str(exc)
            else:
                middle = len(group) // 2
                groups += [group[:middle], group[middle:]]
            continue
        for key, vector in zip(group, found, strict=True):
            if np.isnan(vector[0]):
                result.failures[key] = "the model gives a zero or non-finite vector"
            else:
                result.vectors[key] = HalfVector(vector)
