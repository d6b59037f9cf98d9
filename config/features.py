"""Which safety nets are on: apart from the settings, to be seen as one set.

Each can be turned off, to find out whether it is the net that hurts: `MNEMO_FEATURES__BREAKERS=0`.
Nothing is lost with all of them off; it is only slower to notice and to heal.
"""

from pydantic import BaseModel, ConfigDict, Field


class Features(BaseModel):
    """Safety nets, all on unless turned off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    breakers: bool = Field(
        True, description="a dependency that keeps failing is left alone for a while"
    )
    error_tracking: bool = Field(True, description="failures are written to the table `errors`")
    search_cache: bool = Field(
        True, description="vectors of queries are kept in Redis for other processes"
    )
    retry_queue: bool = Field(True, description="failed embeddings are tried again by themselves")
    timeouts: bool = Field(
        True, description="work has limits of time; off: a day each, leases and pauses as ever"
    )
    strict_transactions: bool = Field(
        True,
        description="every commit waits for the disk; off: a crash of the PostgreSQL server may"
        " undo the last parse and persist commits, which are then done again",
    )
