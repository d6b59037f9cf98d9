"""Real workers on real servers, and one thing after another goes wrong while they work.

Each scenario ends with nothing lost, doubled or unfinished, and with the digest of an undisturbed
run; the checker reads all the while. `campaign.py` does the same with thousands of files.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bench.corpus import generated
from config.errors import DatabaseUnavailableError
from schema.bells import Doorbell
from tasks.doorbells import Doorbells
from tasks.runtime import Runtime
from tests.chaos.checker import digest_of, unfinished, watching
from tests.chaos.proxy import Toxics
from tests.chaos.world import World, kill
from tests.commands import await_true
from tests.harness import Pipeline
from workers.app import create_app

NAME = "corpus"
FILES = 80
SECONDS = 180.0  # a bound for loaded machines: a scenario takes about ten
IMPATIENT = {
    "MNEMO_TIMEOUTS__HEARTBEAT": "0.5",
    "MNEMO_TIMEOUTS__LEASE": "2",
    "MNEMO_TIMEOUTS__RECONCILE": "1",
    "MNEMO_TIMEOUTS__SQL_IDLE_IN_TRANSACTION": "2",
    "MNEMO_TIMEOUTS__RING_PATIENCE": "2",
    "MNEMO_TIMEOUTS__BROKER_SOCKET": "2",
    "MNEMO_TIMEOUTS__BROKER_CONNECT": "2",
    "MNEMO_TIMEOUTS__SOFT_SHUTDOWN": "5",
    "MNEMO_RETRY_BASE": "0.1",
    "MNEMO_RETRY_CAP": "1",
    "MNEMO_MAX_ATTEMPTS": "20",  # faults come faster here than anywhere else
    "MNEMO_BATCH_FILES": "10",
}
SLOW = "encode=sleep(0.3)"
EVERYWHERE = ",".join(
    (
        SLOW,
        *(f"{name}=execute-then-error@0.1" for name in ("claim", "publish", "ring", "postpone")),
        *(f"{name}=execute-then-error@0.1" for name in ("parse.commit", "embed.commit")),
        *(f"{name}=error@0.1" for name in ("persist.commit", "settle", "renew", "hold")),
        *(f"{name}=kill@0.02" for name in ("acknowledge", "store_parsed", "seal")),
    )
)


@pytest.fixture(scope="module")
def world(shared_folder: Path) -> Iterator[World]:
    """Servers and one supervisor of workers, which outlive what the scenarios do to them."""
    folder = shared_folder / "scenarios"
    folder.mkdir(mode=0o711)
    with World(folder, **IMPATIENT, MNEMO_FAILPOINTS=SLOW) as world:
        yield world


@pytest.fixture(scope="module")
def source(shared_folder: Path) -> Path:
    """Some files, eight batches."""
    folder = shared_folder / NAME
    generated(folder, FILES)
    return folder


@pytest.fixture(scope="module")
def reference(world: World, source: Path) -> str:
    """The digest of an undisturbed run."""
    world.start_workers("--concurrency", "1")
    with asked(world, source) as finish:
        finish()
    return digest_of(world.database, NAME)


@contextmanager
def asked(world: World, source: Path) -> Iterator[Callable[[], None]]:
    """A run of the corpus in an empty database; call the value to wait for its end."""
    world.sql("TRUNCATE repositories, blobs, embedding_inputs CASCADE")
    Pipeline(Runtime(world.settings, world.database)).ask(source, name=NAME)

    def finish() -> None:
        deadline = time.monotonic() + SECONDS
        while not ended(world):
            assert time.monotonic() < deadline, unfinished(world.database)
            time.sleep(0.1)

    yield finish


def ended(world: World) -> bool:
    """Mends what is broken; True where nothing is left to do."""
    world.mend()
    with suppress(DatabaseUnavailableError):  # it is being restarted
        return not unfinished(world.database)
    return False


def kill_the_workers(world: World) -> None:
    """Main processes and their children, at once and again."""
    for _ in range(2):
        for process in world.processes("worker"):
            kill(process)
        await_true(lambda: world.processes("child"))


def kill_the_children(world: World) -> None:
    """Whoever works at the moment, parsers too."""
    for process in world.processes("child") + world.processes("parser"):
        kill(process)


def kill_the_supervisor(world: World) -> None:
    """With everything below it."""
    kill(world.processes("supervisor")[0])


def kill_the_reconciler(world: World) -> None:
    """Nobody rings until it is replaced."""
    for process in world.processes("reconciler"):
        kill(process)


def run_two_reconcilers(world: World) -> None:
    """And kill the one that leads: the second takes over."""
    await_true(lambda: world.processes("reconciler"))
    [leader] = world.processes("reconciler")
    second = world.start_workers("--queues", "maintenance")
    await_true(lambda: len(world.processes("reconciler")) == 2)
    kill(leader)
    await_true(lambda: world.processes("reconciler"))
    world.supervisors.remove(second)
    second.terminate()
    second.wait(60)


def wipe_the_broker(world: World) -> None:
    """All messages are gone, more than once."""
    for _ in range(3):
        world.redis.flushall()
        time.sleep(0.3)


def kill_the_broker(world: World) -> None:
    """It stays away for a moment."""
    world.server("valkey-server").kill()
    time.sleep(2)


def refuse_at_the_broker(world: World) -> None:
    """It answers, but out of memory, short of replicas, or asking for a password."""
    for setting, strange, usual in (
        ("maxmemory", "1", "0"),
        ("min-replicas-to-write", "1", "0"),
        ("requirepass", "changed", ""),
    ):
        world.redis.config_set(setting, strange)
        world.redis.client_kill_filter(_type="normal")
        time.sleep(2)
        world.redis.config_set(setting, usual)


def freeze_the_broker(world: World) -> None:
    """For longer than any round trip may last."""
    broker = world.server("valkey-server")
    broker.suspend()
    time.sleep(4)
    broker.resume()


def swallow_the_broker(world: World) -> None:
    """Half-open connections: nothing arrives and nothing is refused."""
    world.broker_proxy.toxics = Toxics(black_hole=True)
    time.sleep(4)
    world.broker_proxy.toxics = Toxics()


def terminate_the_backends(world: World) -> None:
    """In the middle of transactions, again and again."""
    for _ in range(5):
        world.terminate_backends()
        time.sleep(0.2)


def stop_the_database(world: World) -> None:
    """`pg_ctl stop -m immediate`, and a restart with recovery."""
    world.stop_database_immediately()
    time.sleep(1)


def cut_the_replies(world: World) -> None:
    """Of the database, after ever other numbers of bytes."""
    for limit in (200, 900, 5_000, 20_000):
        world.database_proxy.toxics = Toxics(limit_data=limit)
        time.sleep(0.5)
    world.database_proxy.toxics = Toxics()
    assert world.database_proxy.cut


def reset_the_connections(world: World) -> None:
    """While everything runs: the broker redelivers what is still being worked on."""
    for _ in range(5):
        world.database_proxy.reset_all()
        world.broker_proxy.reset_all()
        time.sleep(0.3)


def delay_everything(world: World) -> None:
    """200 ms each way."""
    for proxy in (world.database_proxy, world.broker_proxy):
        proxy.toxics = Toxics(latency=0.2)
    time.sleep(3)
    for proxy in (world.database_proxy, world.broker_proxy):
        proxy.toxics = Toxics()


def deliver_twice_and_out_of_order(world: World) -> None:
    """Every stage of every batch is announced, last ones first, again and again."""
    app = create_app(world.settings)
    with Doorbells(app).connected() as line:
        for _ in range(3):
            for batch in world.sql("SELECT id FROM batches ORDER BY id DESC"):
                for stage in ("persist", "embed", "parse"):
                    line.ring(Doorbell(batch.id, stage, "again"))
    app.close()


FAULTS = (
    kill_the_workers,
    kill_the_children,
    kill_the_supervisor,
    kill_the_reconciler,
    run_two_reconcilers,
    wipe_the_broker,
    kill_the_broker,
    refuse_at_the_broker,
    freeze_the_broker,
    swallow_the_broker,
    terminate_the_backends,
    stop_the_database,
    cut_the_replies,
    reset_the_connections,
    delay_everything,
    deliver_twice_and_out_of_order,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_nothing_is_lost_when_somebody_comes_to(
    fault: Callable[[World], None], world: World, source: Path, reference: str
) -> None:
    """Kill, freeze, wipe, cut or doubt what the work needs."""
    with watching(world.database) as watch, asked(world, source) as finish:
        await_true(lambda: world.progress() > 6)
        fault(world)
        finish()

    assert watch.readings
    assert watch.found == []
    assert unfinished(world.database) == []
    assert digest_of(world.database, NAME) == reference


def test_a_stopped_worker_wakes_up_to_a_lost_lease(
    world: World, source: Path, reference: str
) -> None:
    """Its batch is done by another meanwhile, and what it then wants to write is refused."""
    with watching(world.database) as watch, asked(world, source) as finish:
        await_true(lambda: world.sql(LEASED_TO_EMBED))
        stopped = world.processes("child")
        for process in stopped:
            process.suspend()
        second = world.start_workers("--concurrency", "1")
        finish()
        before = world.logs().count("work.lease_lost")
        for process in stopped:
            process.send_signal(signal.SIGCONT)
        await_true(lambda: world.logs().count("work.lease_lost") > before)
    world.supervisors.remove(second)
    second.terminate()
    assert second.wait(60) == 0

    assert watch.found == []
    assert unfinished(world.database) == []
    assert digest_of(world.database, NAME) == reference


def test_a_worker_that_is_told_to_end_finishes_first(
    world: World, source: Path, reference: str
) -> None:
    """SIGTERM under load: no lease is left behind, and the next worker goes on at once."""
    with watching(world.database) as watch, asked(world, source) as finish:
        await_true(lambda: world.sql(LEASED_TO_EMBED))
        supervisor = world.supervisors[0]
        supervisor.terminate()
        assert supervisor.wait(60) == 0
        assert world.sql("SELECT id FROM batches WHERE state = 'leased'") == []
        finish()

    assert watch.found == []
    assert unfinished(world.database) == []
    assert digest_of(world.database, NAME) == reference


def test_faults_at_every_failpoint_at_random(
    shared_folder: Path, source: Path, reference: str
) -> None:
    """Commits and messages that succeed and are said to have failed, and the other way round."""
    folder = shared_folder / "everywhere"
    folder.mkdir(mode=0o711)
    with World(folder, **IMPATIENT, MNEMO_FAILPOINTS=EVERYWHERE) as world:
        world.start_workers("--concurrency", "1")
        with watching(world.database) as watch, asked(world, source) as finish:
            finish()

        assert watch.found == []
        assert unfinished(world.database) == []
        assert digest_of(world.database, NAME) == reference


LEASED_TO_EMBED = "SELECT id FROM batches WHERE state = 'leased' AND stage = 'embed'"
