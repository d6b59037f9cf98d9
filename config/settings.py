"""Every setting, read once, validated at start. Nothing else reads the environment.

`MNEMO_LOG_LEVEL=debug` sets `log_level`; a nested limit is `MNEMO_TIMEOUTS__GIT_CLONE=900`.
"""

import os
import socket
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from platformdirs import user_data_path
from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from config import failpoints
from config.errors import ConfigurationError
from config.features import Features
from config.timeouts import Timeouts

BROKER_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "sentinel", "amqp", "amqps")
DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


def default_home() -> Path:
    """Where embedded servers and caches live.

    Root's own folder is closed to the unprivileged user that PostgreSQL insists on, hence /var/lib.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/mnemolite")
    return user_data_path("mnemolite", appauthor=False)


class Settings(BaseSettings):
    """All settings of one process. Frozen: what was validated is what runs."""

    model_config = SettingsConfigDict(
        env_prefix="MNEMO_",
        env_nested_delimiter="__",
        env_ignore_empty=True,  # compose files pass empty variables on
        frozen=True,
        extra="ignore",
    )

    home: Path = Field(
        default_factory=default_home, description="embedded servers, caches, temporary clones"
    )
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL with pgvector; unset: an embedded one is started"
    )
    broker_url: SecretStr | None = Field(
        None, description="Redis, Valkey or RabbitMQ; unset: an embedded Valkey is started"
    )
    pg_bin: Path | None = Field(None, description="folder of PostgreSQL binaries to embed instead")
    valkey_bin: Path | None = Field(None, description="valkey-server or redis-server to embed")
    postgres_port: int = Field(0, ge=0, le=65535, description="embedded PostgreSQL; 0: a free port")
    valkey_port: int = Field(0, ge=0, le=65535, description="embedded Valkey; 0: a free port")

    encoder: Literal["sentence-transformers", "hash"] = Field(
        "sentence-transformers", description="'hash' is for fault and scale tests only"
    )
    encoder_backend: Literal["auto", "openvino", "torch-bf16", "torch-fp32"] = Field(
        "auto", description="auto: openvino if installed, else bf16 where the CPU has it, else fp32"
    )
    encoder_threads: int = Field(0, ge=0, description="threads per encoder; 0: every core")
    encoder_batch_tokens: int = Field(
        2048, ge=256, description="padded tokens per forward pass; bounds memory and padding waste"
    )
    encoder_batch_texts: int | None = Field(
        None, ge=1, description="a fixed number of texts per forward pass, instead of tokens"
    )
    text_model: str = Field("packaged", description="'packaged', a hub id or a local folder")
    code_model: str = Field("packaged", description="'packaged', a hub id or a local folder")

    max_file_bytes: int = Field(1 << 20, ge=1 << 10, le=2 << 20, description="larger: skipped")
    batch_bytes: int = Field(
        400_000, ge=1_000, description="source bytes per batch: about 300-400 chunks"
    )
    batch_files: int = Field(200, ge=1, le=5_000, description="files per batch at the most")
    parse_memory_mib: int = Field(1024, ge=256, description="address space of a parser process")
    parse_files_per_process: int = Field(2_000, ge=1, description="then the parser is recycled")

    max_attempts: int = Field(5, ge=1, le=20, description="attempts per batch and stage")
    retry_base: float = Field(1.0, gt=0, description="seconds; doubles per attempt, full jitter")
    retry_cap: float = Field(300.0, gt=0, description="seconds; the longest wait between attempts")
    doorbells: int = Field(16, ge=1, description="unclaimed messages per queue at the most")
    hnsw_threshold: int = Field(
        20_000, ge=1, description="vectors of a space from which an HNSW index pays"
    )
    error_retention_days: int = Field(
        90, ge=7, le=3_650, description="errors are kept this long, in whole months"
    )
    exact_search_chunks: int = Field(
        15_000, ge=0, description="repositories up to this size are searched exactly"
    )
    model_recall_tolerance: float = Field(
        0.02, ge=0, le=1, description="by how much a new model's recall may be below the live one's"
    )

    worker_id: str = Field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}",
        description="names this process in leases and heartbeats",
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"
    failpoints: str = Field(
        "", description="for fault tests only: name=action[@probability],… (mnemo doctor)"
    )
    features: Features = Field(default_factory=lambda: Features.model_validate({}))
    timeouts: Timeouts = Field(
        default_factory=lambda: Timeouts.model_validate({}), validate_default=True
    )

    @field_validator("home", "pg_bin", "valkey_bin")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else Path(path).expanduser().absolute()

    @field_validator("text_model", "code_model")
    @classmethod
    def _absolute_folder(cls, model: str) -> str:
        folder = Path(model).expanduser()
        return str(folder.absolute()) if folder.is_dir() else model

    @field_validator("database_url")
    @classmethod
    def _database_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        return _checked_scheme(url, DATABASE_SCHEMES)

    @field_validator("broker_url")
    @classmethod
    def _broker_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        return _checked_scheme(url, BROKER_SCHEMES)

    @field_validator("failpoints")
    @classmethod
    def _known_failpoints(cls, specification: str) -> str:
        failpoints.parse(specification)
        return specification

    @field_validator("timeouts")
    @classmethod
    def _lifted(cls, timeouts: Timeouts, others: ValidationInfo) -> Timeouts:
        features = others.data.get("features")  # None where they are malformed
        return timeouts if features is None or features.timeouts else timeouts.lifted()

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.broker_url and not self.database_url:
            raise ValueError("MNEMO_BROKER_URL is set without MNEMO_DATABASE_URL: set both or none")
        if self.retry_base > self.retry_cap:
            raise ValueError("retry_base must not exceed retry_cap")
        return self

    @property
    def embedded(self) -> bool:
        """True where this process starts its own servers and workers."""
        return self.database_url is None

    def child_environment(self) -> dict[str, str]:
        """Ours whole (PATH, proxies, certificates, …), with both URLs, for a child process.

        Paths are absolute, because a child may start in another folder.
        """
        named = ("home", "pg_bin", "valkey_bin", "text_model", "code_model")
        values = {name: getattr(self, name) for name in named} | {
            name: url and url.get_secret_value()
            for name, url in (("database_url", self.database_url), ("broker_url", self.broker_url))
        }
        set_here = {f"MNEMO_{name.upper()}": str(value) for name, value in values.items() if value}
        return dict(os.environ) | set_here  # noqa: TID251 - passed on, not read

    def without_urls(self) -> dict[str, Any]:
        """As JSON, for a child process that has no business with the servers."""
        return self.model_dump(mode="json", exclude={"database_url", "broker_url"})

    @property
    def threads(self) -> int:
        """Threads per encoder, resolved to the cores this process may use."""
        return self.encoder_threads or available_cores()


def available_cores() -> int:
    """Cores this process may use: what the scheduler grants, not what the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _checked_scheme(url: SecretStr | None, schemes: tuple[str, ...]) -> SecretStr | None:
    if url is None:
        return None
    scheme, separator, _ = url.get_secret_value().partition("://")
    if not separator or scheme not in schemes:
        raise ValueError(f"must start with one of {', '.join(s + '://' for s in schemes)}")
    return url


@cache
def get_settings() -> Settings:
    """The settings of this process, whose failpoints are armed by that.

    Raises:
        ConfigurationError: a setting is malformed; the message names it and what it accepts.
    """
    try:
        settings = Settings()
    except ValidationError as exc:
        raise ConfigurationError(_explain(exc)) from exc
    failpoints.arm(settings.failpoints)
    return settings


def _explain(exc: ValidationError) -> str:
    problems = []
    for error in exc.errors(include_input=False, include_url=False):
        name = "__".join(str(part) for part in error["loc"]).upper()
        message = error["msg"].removeprefix("Value error, ")
        problems.append(f"MNEMO_{name}: {message}" if name else message)
    return "; ".join(problems)
