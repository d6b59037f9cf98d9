"""The tables. Import them from here, so that every one is registered on `Base.metadata`."""

from schema.models.base import Base
from schema.models.content import (
    Blob,
    BlobSource,
    CodeChunk,
    Embedding,
    EmbeddingInput,
    EmbeddingModel,
    ModelRole,
    Symbol,
    SymbolReference,
)
from schema.models.ledger import Batch, FailedEmbedding, IndexRun
from schema.models.operations import (
    AuditEntry,
    CircuitBreakerState,
    ErrorRecord,
    Queue,
    ServiceState,
    WorkerHeartbeat,
)
from schema.models.repositories import Ref, Repository, SavedQuery, Snapshot, SnapshotFile

__all__ = [
    "AuditEntry",
    "Base",
    "Batch",
    "Blob",
    "BlobSource",
    "CircuitBreakerState",
    "CodeChunk",
    "Embedding",
    "EmbeddingInput",
    "EmbeddingModel",
    "ErrorRecord",
    "FailedEmbedding",
    "IndexRun",
    "ModelRole",
    "Queue",
    "Ref",
    "Repository",
    "SavedQuery",
    "ServiceState",
    "Snapshot",
    "SnapshotFile",
    "Symbol",
    "SymbolReference",
    "WorkerHeartbeat",
]
