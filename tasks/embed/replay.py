"""The replay of failed embeddings: one text at a time, on a queue that starves no fresh work."""

import numpy as np
from pgvector import HalfVector

from config import failpoints
from config.errors import (
    CircuitOpenError,
    DatabaseFullError,
    EmbeddingError,
    EncoderUnavailableError,
    LeaseLostError,
)
from config.logging import get_logger
from schema import replays, vectors
from schema.replays import Replay
from tasks.embed.encoder import Encoder
from tasks.embed.stage import input_of
from tasks.retry import Policy, Retry
from tasks.runtime import Runtime

log = get_logger("replay")


def replay_embedding(runtime: Runtime, failure_id: int, policy: Policy) -> bool:
    """Tries a failed embedding again if it is due; True where its chunk now has the vector.

    An encoder that does not load, or is left alone for a while, costs no attempt: the failure stays
    due and is rung again later.

    Raises:
        DatabaseUnavailableError: the list cannot be reached.
        EncoderUnavailableError: this process cannot load its model.
    """
    with runtime.database.reading() as connection:
        wanted = replays.model_of(connection, failure_id)
    if wanted is None:
        return False
    breaker = runtime.breakers.encoder() if wanted.live else runtime.breakers.candidate()
    if breaker.blocked() or runtime.breakers.replay().blocked():
        log.debug("replay.encoder_left_alone", failure=failure_id)
        return False
    encoder = runtime.encoder(wanted.model_id, breaker)
    seconds = runtime.settings.timeouts.lease
    replay = runtime.transact(
        "replay.claim", lambda connection: replays.claim(connection, failure_id, seconds=seconds)
    )
    if replay is None:
        return False
    try:
        vector = _encode(runtime, encoder, replay)
        healed = runtime.transact(
            "replay.heal", lambda connection: replays.heal(connection, replay, vector)
        )
    except (
        EmbeddingError,
        EncoderUnavailableError,
        CircuitOpenError,
        DatabaseFullError,
    ) as exc:
        _put_back(runtime, replay, exc, policy)
        return False
    except LeaseLostError:
        log.warning("replay.lease_lost", failure=failure_id)
        return False
    log.info("replay.healed", failure=failure_id, chunks=healed)
    return True


def _encode(runtime: Runtime, encoder: Encoder, replay: Replay) -> HalfVector:
    want = replay.want
    with runtime.database.reading() as connection:
        source = vectors.sources_of(connection, [want.blob_id])[want.blob_id]
    with runtime.breakers.replay().guard():
        failpoints.reach("encode", EncoderUnavailableError)
        [vector] = encoder.encode([input_of(want, source)])
    if np.isnan(vector[0]):
        raise EmbeddingError("the model gives a zero or non-finite vector")
    return HalfVector(vector)


def _put_back(runtime: Runtime, replay: Replay, error: Exception, policy: Policy) -> None:
    decision = policy.decide(error, replay.attempt)
    runtime.errors.record(
        "embed.retry",
        error,
        failure=replay.id,
        blob=replay.want.blob_id,
        attempt=replay.attempt,
    )
    after, counted = None, True
    if isinstance(decision, Retry):
        after, counted = decision.after, decision.counted
    runtime.transact(
        "replay.put_back",
        lambda connection: replays.put_back(connection, replay, error, after, counted=counted),
    )
    log.warning("replay.failed", failure=replay.id, attempt=replay.attempt, error=str(error))
