"""The Celery application: settings that keep work from being lost, and the broker guard."""

from typing import Any

import kombu.transport.redis
import pytest
import redis.exceptions
from pydantic import SecretStr

from config.errors import BadInputError, ConfigurationError
from config.settings import Settings
from schema.queues import QUEUES
from tasks.pipeline import doorbell
from workers.app import App, create_app
from workers.queues import KINDS, ROUTES, kinds_for

SETTINGS = Settings(
    database_url=SecretStr("postgresql://h/d"), broker_url=SecretStr("redis://127.0.0.1:1/0")
)


@pytest.fixture
def app() -> App:
    """An application that connects to nothing."""
    return create_app(SETTINGS)


def test_a_broker_is_needed() -> None:
    """The message says what to set."""
    with pytest.raises(ConfigurationError, match="MNEMO_BROKER_URL"):
        create_app(Settings())


def test_messages_are_json_and_results_are_not_kept(app: App) -> None:
    """Pickle runs code; a result backend blocks the workers when it is down."""
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert app.conf.result_backend is None
    assert app.conf.task_ignore_result


def test_a_message_is_acknowledged_after_the_work(app: App) -> None:
    """A worker that dies gives it back; an outcome that is in the ledger does not loop."""
    assert app.conf.task_acks_late
    assert app.conf.task_acks_on_failure
    assert not app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1


def test_the_broker_redelivers_later_than_any_task_may_last(app: App) -> None:
    """Sooner, it would start the same task twice."""
    visible = app.conf.broker_transport_options["visibility_timeout"]

    assert visible > 2 * SETTINGS.timeouts.longest_task()


def test_rabbitmq_keeps_messages_in_quorum_queues() -> None:
    """They survive a broker's death, and a poison message does not come back for ever."""
    rabbit = SETTINGS.model_copy(update={"broker_url": SecretStr("amqp://127.0.0.1:1//")})

    for queue in create_app(rabbit).conf.task_queues:
        assert queue.queue_arguments == {"x-queue-type": "quorum", "x-delivery-limit": 10}
        assert queue.exchange.type == "topic"


def test_every_wait_for_the_broker_is_bounded(app: App) -> None:
    """A frozen broker must not freeze the worker's main process."""
    options = app.conf.broker_transport_options

    assert 0 < options["socket_timeout"] <= 30
    assert 0 < options["socket_connect_timeout"] <= 10


def test_every_task_has_a_queue_and_a_hard_limit(app: App) -> None:
    """And no soft one, which could interrupt a commit."""
    ours = {name for name in app.tasks if name.startswith("mnemo.")}

    assert ours <= ROUTES.keys()
    for name in ours:
        assert (app.tasks[name].time_limit or 0) > 0
        assert app.tasks[name].soft_time_limit is None


def test_workers_spawn_their_processes(app: App) -> None:
    """Threads of torch and OpenVINO do not survive a fork."""
    assert app.conf.worker_pool_start_method == "spawn"


def test_every_queue_is_served_by_one_kind() -> None:
    """A queue that nobody consumes looks like a slow one."""
    served = [queue for kind in KINDS for queue in kind.queues]

    assert sorted(served) == sorted(QUEUES)


def test_retries_are_served_apart_from_fresh_work() -> None:
    """They must not starve it."""
    [retry] = [kind for kind in KINDS if "embed.retry" in kind.queues]

    assert retry.queues == ("embed.retry",)


def test_some_queues_can_be_asked_for() -> None:
    """A host may serve only what it is good at."""
    assert [("embed", ("embed",))] == [(kind.name, kind.queues) for kind in kinds_for(["embed"])]
    assert [("parse", ("parse", "persist"))] == [
        (kind.name, kind.queues) for kind in kinds_for(["persist", "parse"])
    ]


def test_an_unknown_queue_is_named() -> None:
    """With those that exist."""
    with pytest.raises(BadInputError, match=r"nope.*control"):
        kinds_for(["nope"])


@pytest.mark.parametrize(
    ("stage", "steps"),
    [
        ("parse", ["mnemo.parse", "mnemo.embed", "mnemo.persist"]),
        ("embed", ["mnemo.embed", "mnemo.persist"]),
    ],
)
@pytest.mark.usefixtures("app")
def test_a_doorbell_is_the_rest_of_the_way(stage: str, steps: list[str]) -> None:
    """A chain of immutable steps that carry the batch's id and nothing else."""
    chain: Any = doorbell(stage, 7)

    assert steps == [step.task for step in chain.tasks]
    assert {(7,)} == {tuple(step.args) for step in chain.tasks}
    assert all(step.immutable for step in chain.tasks)


@pytest.mark.usefixtures("app")
def test_a_closed_channel_is_a_connection_error() -> None:
    """Kombu 5.7.0 raises AttributeError there, which ends the worker."""
    channel: Any = object.__new__(kombu.transport.redis.Channel)
    channel.connection = None

    with pytest.raises(redis.exceptions.ConnectionError):
        channel._connparams()


def test_a_message_that_cannot_be_acknowledged_leaves_the_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a worker with a window of one never asks for another and stalls in silence."""
    create_app(SETTINGS)
    freed: list[str] = []
    qos: Any = object.__new__(kombu.transport.redis.QoS)
    monkeypatch.setattr(qos, "_quick_ack", freed.append, raising=False)
    monkeypatch.setattr(qos, "_remove_from_indices", _broken, raising=False)

    with pytest.raises(redis.exceptions.ConnectionError):
        qos.ack("tag")

    assert freed == ["tag"]


def _broken(*_: object) -> None:
    raise redis.exceptions.ConnectionError("gone")
