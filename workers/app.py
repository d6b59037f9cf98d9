"""The Celery application: its settings, each with its reason, and the correlation id's way.

Settings and traps: `docs/decisions.md`. Task modules are imported in code, never by name, because
Celery looks for names in the current folder first.
"""

from typing import Any

import kombu.transport.redis
import redis.exceptions
import structlog
from celery import Celery, signals

from config.errors import ConfigurationError
from config.settings import Settings
from config.timeouts import TASKS, Timeouts
from tasks import pipeline
from tasks.retry import PUBLISH, STEP
from workers.queues import ROUTES, declared

assert pipeline.ORDER  # noqa: S101 - the import registers the tasks
# not "correlation_id": Celery gives that name to each task's own id
CORRELATION_HEADER = "mnemo_correlation_id"


class App(Celery):
    """Celery by a name of this module, so that a spawned child that unpickles it imports us."""


def create_app(settings: Settings) -> App:
    """The application for the broker that the settings name, as this process's default.

    Raises:
        ConfigurationError: no broker is named.
    """
    if settings.broker_url is None:
        raise ConfigurationError("MNEMO_BROKER_URL is not set: workers need a message broker")
    url = settings.broker_url.get_secret_value()
    amqp = url.startswith("amqp")
    app = App("mnemolite", broker=url, set_as_current=True)
    app.conf.update(_configuration(settings, amqp=amqp))
    app.set_default()
    if not amqp:
        guard_closed_channels()
        guard_failed_acknowledgements()
    return app


def _configuration(settings: Settings, *, amqp: bool) -> dict[str, Any]:
    limits = settings.timeouts
    return {
        "task_queues": declared(amqp=amqp),
        "task_routes": {task: {"queue": queue} for task, queue in ROUTES.items()},
        "task_create_missing_queues": False,  # a typing error must not create an orphan queue
        "task_default_queue": "control",
        # messages: ids in JSON, no results, no events
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_send_sent_event": False,
        "worker_send_task_events": False,
        "worker_enable_remote_control": False,
        # delivery: after the work, again after a crash; the ledger's fence makes that safe
        "task_acks_late": True,
        "task_acks_on_failure": True,  # the outcome is in the ledger; requeueing would loop
        "task_acks_on_timeout": True,
        "task_reject_on_worker_lost": False,  # unbounded; the lease rescues instead
        "worker_prefetch_multiplier": 1,
        "worker_eta_task_limit": 100,
        "worker_disable_rate_limits": True,
        # processes: spawned, because threads of torch and OpenVINO do not survive a fork
        "worker_pool": "prefork",
        "worker_pool_start_method": "spawn",
        "worker_proc_alive_timeout": 120,
        "worker_max_tasks_per_child": 10_000,
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # let the work commit
        "worker_soft_shutdown_timeout": limits.soft_shutdown,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # the broker may come and go
        "broker_heartbeat": 10,  # AMQP only: a half-open connection is noticed in twice that
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": limits.broker_connect,
        "broker_pool_acquire_timeout": limits.broker_socket,
        "task_publish_retry_policy": {
            "max_retries": PUBLISH.attempts - 1,
            "interval_start": PUBLISH.base,
            "interval_step": PUBLISH.base,
            "interval_max": PUBLISH.cap,
        },
        "broker_transport_options": _rabbitmq_options(limits) if amqp else _redis_options(limits),
        # hard limits only: a soft one could interrupt a COMMIT, whose outcome nobody would know
        "task_annotations": {
            f"mnemo.{task}": {"time_limit": limits.task_limit(task)} for task in TASKS
        },
    }


def _redis_options(limits: Timeouts) -> dict[str, Any]:
    return {
        # every process of the fleet must agree: the shortest one wins
        "visibility_timeout": int(2 * limits.longest_task() + STEP.cap),
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": limits.broker_socket,
        "socket_connect_timeout": limits.broker_connect,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }


def _rabbitmq_options(limits: Timeouts) -> dict[str, Any]:
    return {
        "confirm_publish": True,  # a publish that returns has reached the quorum
        "read_timeout": limits.broker_socket,
        "write_timeout": limits.broker_socket,
    }


def guard_closed_channels() -> None:
    """Keeps a worker alive when the broker dies while it holds unacknowledged messages.

    kombu 5.7.0 asks a closed channel for its connection and raises AttributeError, which ends the
    worker. As a connection error it is what it is, and the worker reconnects.
    """
    channel: Any = kombu.transport.redis.Channel
    original = channel._connparams  # noqa: SLF001 - the defect is in there
    if getattr(original, "guarded", False):
        return

    def guarded(self: Any, asynchronous: bool = False) -> Any:
        if getattr(self.connection, "client", None) is None:
            raise redis.exceptions.ConnectionError("the broker channel is closed")
        return original(self, asynchronous=asynchronous)

    guarded.guarded = True  # type: ignore[attr-defined]  # marks it, so that it is applied once
    channel._connparams = guarded  # noqa: SLF001 - as above


def guard_failed_acknowledgements() -> None:
    """Keeps a worker consuming when the broker dies while an acknowledgement is on its way.

    kombu 5.7.0 keeps the message in its window when it cannot acknowledge it, and Celery only logs
    that. With a window of one the worker never asks for a message again, so it never notices that
    its connection is gone, and waits for ever. The message itself is harmless: at worst the broker
    delivers it again, and the ledger has nothing to do for it.
    """
    qos: Any = kombu.transport.redis.QoS
    original = qos.ack
    if getattr(original, "guarded", False):
        return

    def guarded(self: Any, delivery_tag: str) -> None:
        try:
            original(self, delivery_tag)
        except Exception:
            super(qos, self).ack(delivery_tag)
            raise

    guarded.guarded = True  # type: ignore[attr-defined]  # marks it, so that it is applied once
    qos.ack = guarded


@signals.before_task_publish.connect
def _send_correlation_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    known = structlog.contextvars.get_contextvars().get("correlation_id")
    if headers is not None and known:
        headers.setdefault(CORRELATION_HEADER, known)


@signals.task_prerun.connect
def _bind_correlation_id(task: Any = None, **_: Any) -> None:
    structlog.contextvars.bind_contextvars(
        task=task.name, correlation_id=getattr(task.request, CORRELATION_HEADER, None)
    )


@signals.task_postrun.connect
def _unbind_correlation_id(**_: Any) -> None:
    structlog.contextvars.unbind_contextvars("task", "correlation_id")
