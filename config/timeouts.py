"""Every time limit, by name, in seconds: apart from the settings, to be seen as one set.

Each limit can be set: `MNEMO_TIMEOUTS__GIT_CLONE=900`. The relations that must hold between limits
are checked when settings load; `docs/architecture.md` tells how they nest.
"""

from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# A millisecond is PostgreSQL's unit, for which 0 means no limit; it counts them in 32 bits.
Seconds = Annotated[float, Field(ge=0.001, le=2_000_000, allow_inf_nan=False)]

TASKS = {
    "discover": "discover",
    "parse": "parse_task",
    "embed": "embed_task",
    "embed_retry": "embed_retry_task",
    "persist": "persist_task",
    "maintain": "maintenance_task",
}
"""The Celery tasks, each with its hard limit."""

# What limits no work, but tells how soon an outage is noticed and how often somebody looks.
RHYTHM = frozenset(
    {
        *("sql_connect", "sql_idle_in_transaction", "broker_connect", "broker_socket"),
        *("heartbeat", "lease", "reconcile", "ring_patience", "server_start", "soft_shutdown"),
        "search_cache",  # nobody may ever wait for a cache
    }
)
DAY = 86_400.0
RESCUE = 60.0  # seconds from a worker's death until its work is taken up again, as promised


class Nesting(NamedTuple):
    """One limit is at least `times` another: what would go wrong otherwise."""

    outer: str
    times: int
    inner: str
    otherwise: str


NESTINGS = (
    Nesting("lease", 2, "heartbeat", "one late renewal loses it"),
    Nesting("lease", 1, "sql_idle_in_transaction", "a frozen worker's row locks outlive its lease"),
    Nesting("index_file", 1, "tree_sitter_parse", "no parse can use its whole time"),
    Nesting("parse_task", 2, "tree_sitter_parse", "the file that is begun at half-time kills it"),
    Nesting("discover", 1, "git_clone", "it is killed before git is"),
    Nesting("embed_task", 1, "model_conversion", "it is killed before the conversion is"),
    Nesting("embed_retry_task", 1, "model_conversion", "it is killed before the conversion is"),
    Nesting("model_check", 1, "model_conversion", "it is killed before the conversion is"),
    Nesting("sql_statement", 1, "sql_lock", "a wait for a lock never reaches its limit"),
    *(
        Nesting(limit, 1, "sql_statement", "it is killed in the middle of a statement")
        for task, limit in TASKS.items()
        if task != "maintain"  # which sets the limit of its statements itself
    ),
)


class Timeouts(BaseModel):
    """Limits in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tree_sitter_parse: Seconds = Field(
        5.0, description="one file's parse and chunking, then the parser process is killed"
    )
    index_file: Seconds = Field(
        30.0,
        description="reading and parsing one content, summed over attempts and workers (embedding"
        " is bounded by its model's length), then it is quarantined",
    )
    git_command: Seconds = Field(60.0, description="ls-tree, rev-parse, ls-remote")
    git_clone: Seconds = Field(600.0, description="fetching one commit of a repository")
    discover: Seconds = Field(1800.0, description="hard limit of the discover task")
    parse_task: Seconds = Field(300.0, description="hard limit of the parse task, one batch")
    embed_task: Seconds = Field(900.0, description="hard limit of the embed task, one batch")
    embed_retry_task: Seconds = Field(
        400.0,
        description="hard limit of trying one failed embedding again, model loading too",
    )
    persist_task: Seconds = Field(60.0, description="hard limit of the persist task")
    maintenance_task: Seconds = Field(3600.0, description="hard limit of index builds")
    model_conversion: Seconds = Field(
        300.0, description="converting a model to OpenVINO, once per home, then it is killed"
    )
    model_check: Seconds = Field(
        400.0, description="loading a model for `mnemo doctor`, fetching and conversion too"
    )
    sql_connect: Seconds = Field(5.0, description="opening a PostgreSQL connection")
    sql_statement: Seconds = Field(30.0, description="one statement of a worker")
    sql_search: Seconds = Field(10.0, description="one statement of a search")
    sql_verify: Seconds = Field(600.0, description="one statement of a verification")
    sql_lock: Seconds = Field(10.0, description="waiting for a row or table lock")
    sql_idle_in_transaction: Seconds = Field(
        20.0, description="an open, silent transaction, as a frozen worker leaves it"
    )
    broker_connect: Seconds = Field(3.0, description="opening a broker connection")
    broker_socket: Seconds = Field(10.0, description="one broker round trip")
    search_cache: Seconds = Field(
        0.1, description="one question to the cache of query vectors, connecting included"
    )
    heartbeat: Seconds = Field(10.0, description="how often a worker renews its lease")
    lease: Seconds = Field(30.0, description="a lease's life without renewal")
    reconcile: Seconds = Field(10.0, description="how often the reconciler looks, at the most")
    ring_patience: Seconds = Field(
        20.0, description="a rung but unclaimed batch may be rung again after this"
    )
    server_start: Seconds = Field(30.0, description="an embedded server's start")
    soft_shutdown: Seconds = Field(20.0, description="a stopping worker finishes its task")

    @model_validator(mode="after")
    def _nest(self) -> Self:
        broken = [
            f"{outer} must be at least {'twice ' if times > 1 else ''}{inner} ({needed:g} s),"
            f" or {otherwise}: raise {variable(outer)} or lower {variable(inner)}"
            for outer, times, inner, otherwise in NESTINGS
            if getattr(self, outer) < (needed := times * getattr(self, inner))
        ]
        if self.lease + self.reconcile > RESCUE:
            broken.append(
                f"lease + reconcile must stay within {RESCUE:g} s, the promised rescue time:"
                f" lower {variable('lease')} or {variable('reconcile')}"
            )
        if broken:
            raise ValueError("; ".join(broken))
        return self

    def limit(self, operation: str) -> float:
        """The limit on a piece of work, by its name here.

        Raises:
            ValueError: there is no such limit.
        """
        if operation not in LIMITS:
            raise ValueError(f"{operation!r} is no time limit of config/timeouts.py")
        seconds: float = getattr(self, operation)
        return seconds

    def lifted(self) -> Self:
        """Without limits on work: a day for each task, half of it for what a task does."""
        tasks = TASKS.values()
        return self.model_copy(
            update={
                name: max(self.limit(name), DAY if name in tasks else DAY / 2) for name in LIMITS
            }
        )

    def task_limit(self, stage: str) -> float:
        """The hard limit of a stage's Celery task."""
        return self.limit(TASKS[stage])

    def longest_task(self) -> float:
        """The longest of them: the broker must not redeliver before it."""
        return max(map(self.task_limit, TASKS))


LIMITS = frozenset(Timeouts.model_fields) - RHYTHM
"""The names of the limits on work."""


def variable(name: str) -> str:
    """The environment variable that sets a limit."""
    return f"MNEMO_TIMEOUTS__{name.upper()}"
