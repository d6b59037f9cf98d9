"""Every time limit, by name, in seconds: apart from the settings, to be seen as one set.

Each limit can be set: `MNEMO_TIMEOUTS__GIT_CLONE=900`. The relations that must hold between limits
are checked when settings load; `docs/architecture.md` tells how they nest.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

TASKS = ("discover", "parse", "embed", "embed_retry", "persist", "maintain")


class Timeouts(BaseModel):
    """Limits in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tree_sitter_parse: float = Field(
        5.0, gt=0, description="one file's parse and chunking, then the parser process is killed"
    )
    index_file: float = Field(
        30.0, gt=0, description="everything done for one file, summed over stages"
    )
    git_command: float = Field(60.0, gt=0, description="ls-tree, rev-parse, ls-remote")
    git_clone: float = Field(600.0, gt=0, description="fetching one commit of a repository")
    discover: float = Field(1800.0, gt=0, description="hard limit of the discover task")
    parse_task: float = Field(300.0, gt=0, description="hard limit of the parse task, one batch")
    embed_task: float = Field(900.0, gt=0, description="hard limit of the embed task, one batch")
    embed_retry_task: float = Field(
        120.0,
        gt=0,
        description="hard limit of trying one failed embedding again, model loading too",
    )
    persist_task: float = Field(60.0, gt=0, description="hard limit of the persist task")
    maintenance_task: float = Field(3600.0, gt=0, description="hard limit of index builds")
    sql_connect: float = Field(5.0, gt=0, description="opening a PostgreSQL connection")
    sql_statement: float = Field(30.0, gt=0, description="one statement of a worker")
    sql_search: float = Field(10.0, gt=0, description="one statement of a search")
    sql_verify: float = Field(600.0, gt=0, description="one statement of a verification")
    sql_lock: float = Field(10.0, gt=0, description="waiting for a row or table lock")
    sql_idle_in_transaction: float = Field(
        20.0, gt=0, description="an open, silent transaction, as a frozen worker leaves it"
    )
    broker_connect: float = Field(3.0, gt=0, description="opening a broker connection")
    broker_socket: float = Field(10.0, gt=0, description="one broker round trip")
    search_cache: float = Field(
        0.1, gt=0, description="one question to the cache of query vectors, connecting included"
    )
    heartbeat: float = Field(10.0, gt=0, description="how often a worker renews its lease")
    lease: float = Field(30.0, gt=0, description="a lease's life without renewal")
    reconcile: float = Field(10.0, gt=0, description="how often the reconciler looks, at the most")
    ring_patience: float = Field(
        20.0, gt=0, description="a rung but unclaimed batch may be rung again after this"
    )
    server_start: float = Field(30.0, gt=0, description="an embedded server's start")
    soft_shutdown: float = Field(20.0, gt=0, description="a stopping worker finishes its task")

    @model_validator(mode="after")
    def _nest(self) -> Self:
        if self.lease < 2 * self.heartbeat:
            raise ValueError("lease must be at least twice heartbeat, or one late renewal loses it")
        if self.lease + self.reconcile > 60:  # noqa: PLR2004 - the promise: rescued within 60 s
            raise ValueError("lease + reconcile must stay within 60 s, the promised rescue time")
        if self.sql_idle_in_transaction > self.lease:
            raise ValueError(
                "sql_idle_in_transaction must not exceed lease: a frozen worker's row locks "
                "would outlive its lease"
            )
        return self

    def task_limit(self, stage: str) -> float:
        """The hard limit of a stage's Celery task."""
        return {
            "discover": self.discover,
            "parse": self.parse_task,
            "embed": self.embed_task,
            "embed_retry": self.embed_retry_task,
            "persist": self.persist_task,
            "maintain": self.maintenance_task,
        }[stage]

    def longest_task(self) -> float:
        """The longest of them: the broker must not redeliver before it."""
        return max(map(self.task_limit, TASKS))
