"""What stands between a candidate and its promotion: missing vectors, a missing index, recall.

It looks and judges, `tasks/model_change.py` acts; whoever promotes looks here first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from schema import model_roles, model_work, vector_index
from schema.model_work import Progress
from search.recall import TOP, Recall, measure
from tasks.runtime import Runtime


@dataclass(slots=True)
class Examination:
    """How far models are, how they compare with the live ones, and what speaks against them."""

    progress: list[Progress] = field(default_factory=list)
    recall: list[Recall] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)


def examine(runtime: Runtime, models: Mapping[str, int], *, compare: bool = True) -> Examination:
    """Looks at a model of each space.

    Args:
        runtime: its database and its settings.
        models: by space.
        compare: with the live model, by recall; only where every vector is there.

    Raises:
        EncoderUnavailableError: a model that is to be compared cannot be loaded here.
    """
    found = Examination()
    with runtime.database.reading() as connection:
        roles = model_roles.roles(connection)
        for space, model_id in models.items():
            found.progress += model_work.progress(connection, space, model_id)
        unbuilt = vector_index.missing(connection, runtime.settings.hnsw_threshold)
    found.blockers += _gaps(found.progress)
    found.blockers += [
        f"the {space} vectors have no index yet: maintenance builds it within ten minutes"
        for space, model_id in models.items()
        if (model_id, space) in unbuilt
    ]
    if compare and not any(row.missing for row in found.progress):
        pairs = {space: (roles[space].live, model_id) for space, model_id in models.items()}
        found.recall = measure(runtime, pairs)
        found.blockers += _falls(found.recall, runtime.settings.model_recall_tolerance)
        if models and not found.recall:
            found.blockers.append(
                "there is nothing to compare vectors by: no docstrings, no saved queries"
                " (`mnemo model save-query`)"
            )
    return found


def _gaps(progress: Sequence[Progress]) -> Iterator[str]:
    for row in progress:
        where = f"{row.repository} ({row.ref})"
        if row.state != "complete":
            yield f"{where} is being indexed"
        elif row.missing:
            yield f"{where}: {row.missing:,} {row.space} vectors are still to be made"
        if row.failed:
            yield (
                f"{where}: {row.failed:,} {row.space} vectors have failed:"
                f" `mnemo failed list --stage embed --repo {row.repository}`"
            )


def _falls(recall: Sequence[Recall], tolerance: float) -> Iterator[str]:
    for each in recall:
        if each.fall > tolerance:
            yield (
                f"recall@{TOP} of {each.space} vectors on {each.questions} falls from"
                f" {each.live} to {each.candidate} of {each.asked},"
                f" by more than {tolerance:.0%}"
            )
