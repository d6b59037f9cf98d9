"""The full chaos campaign: `make chaos`, or `python -m tests.chaos.campaign --seeds 1,2,3`.

Per seed it indexes thousands of files with two supervisors of workers, and meanwhile kills their
processes, wipes and freezes the broker, crashes PostgreSQL and cuts connections, while the checker
reads. It ends well only if nothing is lost, doubled, half-written or unfinished, and the index has
the digest of an undisturbed run. Prints the tables of docs/reliability.md.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.corpus import generated
from config.errors import DatabaseUnavailableError
from tests.chaos.checker import digest_of, unfinished, watching
from tests.chaos.proxy import Toxics
from tests.chaos.world import World, kill, name_of

NAME = "corpus"
KILLED = ("worker", "child", "child", "child", "parser", "reconciler", "supervisor")
KILLS_PER_FAULT = 4
PAUSE_SECONDS = 1.0  # between kills, on average
BROKER_GONE_SECONDS = 4.0
FROZEN_SECONDS = 8.0
STOPPED_SECONDS = 40.0  # a worker, for longer than its lease
LONGEST_SECONDS = 600.0
POLL_SECONDS = 0.25
PROMISED_RESCUE = 60.0

Fault = Callable[[World, random.Random], None]


@dataclass(slots=True)
class Orphan:
    """A lease whose holder was killed."""

    batch_id: int
    token: str
    since: float


@dataclass(slots=True)
class Log:
    """What happened in one seed."""

    faults: list[tuple[str, float]] = field(default_factory=list)
    progress: list[tuple[float, int]] = field(default_factory=list)
    orphans: list[Orphan] = field(default_factory=list)
    rescued: list[float] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """How many of the faults were a kill -9 of a process of MnemoLite."""
        return sum(name.startswith("kill") for name, _ in self.faults)

    def note(self, fault: str) -> None:
        """A fault, now."""
        self.faults.append((fault, time.monotonic()))


@dataclass(slots=True)
class Outcome:
    """How one seed ended."""

    seed: int
    seconds: float
    readings: int
    problems: list[str]
    same: bool
    log: Log

    @property
    def good(self) -> bool:
        """True where every promise was kept."""
        return (
            self.same and not self.problems and max(self.log.rescued, default=0) <= PROMISED_RESCUE
        )


def flush(world: World, _: random.Random) -> None:
    """Every message, and what the broker knows of those being worked on."""
    world.redis.flushall()


def kill_broker(world: World, _: random.Random) -> None:
    """For some seconds; its append-only file is read at the next start."""
    world.server("valkey-server").kill()
    time.sleep(BROKER_GONE_SECONDS)


def freeze_broker(world: World, _: random.Random) -> None:
    """Connections stay open and nobody answers."""
    broker = world.server("valkey-server")
    broker.suspend()
    time.sleep(FROZEN_SECONDS)
    broker.resume()


def terminate_backends(world: World, _: random.Random) -> None:
    """In the middle of their transactions."""
    world.terminate_backends()


def crash_database(world: World, _: random.Random) -> None:
    """As `pg_ctl stop -m immediate`; recovered from its log at the next start."""
    world.stop_database_immediately()


def reset_connections(world: World, _: random.Random) -> None:
    """All that go through the proxies."""
    world.database_proxy.reset_all()
    world.broker_proxy.reset_all()


def cut_replies(world: World, chance: random.Random) -> None:
    """Each connection to the database after so many bytes."""
    world.database_proxy.toxics = Toxics(limit_data=chance.randint(300, 30_000))
    time.sleep(FROZEN_SECONDS / 2)
    world.database_proxy.toxics = Toxics()


def swallow_broker(world: World, _: random.Random) -> None:
    """Half-open: everything is accepted, nothing arrives."""
    world.broker_proxy.toxics = Toxics(black_hole=True)
    time.sleep(FROZEN_SECONDS)
    world.broker_proxy.toxics = Toxics()


def delay_everything(world: World, _: random.Random) -> None:
    """200 ms both ways."""
    world.database_proxy.toxics = Toxics(latency=0.2)
    world.broker_proxy.toxics = Toxics(latency=0.2)
    time.sleep(FROZEN_SECONDS)
    world.database_proxy.toxics = Toxics()
    world.broker_proxy.toxics = Toxics()


def stop_worker(world: World, chance: random.Random) -> None:
    """Longer than its lease: it wakes up as a zombie whose writes must be refused."""
    children = world.processes("child")
    if children:
        victim = chance.choice(children)
        victim.suspend()
        threading.Timer(STOPPED_SECONDS, _wake, (victim,)).start()


FAULTS: dict[str, Fault] = {
    "FLUSHALL": flush,
    "broker killed, back after 4 s": kill_broker,
    "broker frozen for 8 s": freeze_broker,
    "PostgreSQL backends terminated": terminate_backends,
    "PostgreSQL stopped with -m immediate": crash_database,
    "every connection reset by the proxy": reset_connections,
    "database replies cut after N bytes for 4 s": cut_replies,
    "broker black-holed for 8 s": swallow_broker,
    "200 ms latency for 8 s": delay_everything,
    "worker process stopped for 40 s": stop_worker,
}


def main() -> int:
    """Runs every seed, prints the tables; 1 where a promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--kills", type=int, default=200, help="in total")
    parser.add_argument("--files", type=int, default=10_000)
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    with _folder() as folder:
        generated(folder / NAME, given.files)
        reference, seconds = _undisturbed(folder)
        say(f"undisturbed: {seconds:.0f} s, digest {reference[:16]}")
        outcomes: list[Outcome] = []
        each = -(-given.kills // len(seeds))
        while seeds:
            outcomes.append(_disturbed(folder, seeds[0], each, reference))
            say(f"seed {seeds.pop(0)}: {'good' if outcomes[-1].good else 'BROKEN'}")
            say(report(outcomes, given.files, seconds))
            if not seeds and sum(outcome.log.kills for outcome in outcomes) < given.kills:
                seeds.append(max(outcome.seed for outcome in outcomes) + 1)
    print(report(outcomes, given.files, seconds))  # noqa: T201 - a script
    return 0 if all(outcome.good for outcome in outcomes) else 1


def say(message: str) -> None:
    """Progress, on stderr."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - a script


def _undisturbed(folder: Path) -> tuple[str, float]:
    with _world(folder, "undisturbed") as world:
        world.start_workers("--concurrency", "1")
        started = time.monotonic()
        result = world.cli("index", str(folder / NAME), "--json")
        assert result.code == 0, result.stderr
        return digest_of(world.database, NAME), time.monotonic() - started


def _disturbed(folder: Path, seed: int, kills: int, reference: str) -> Outcome:
    chance, log = random.Random(seed), Log()
    with _world(folder, f"seed-{seed}") as world:
        for _ in range(2):
            world.start_workers("--concurrency", "1")
        started = time.monotonic()
        asked = world.cli.start("index", str(folder / NAME), "--no-wait")
        with watching(world.database, pause=1.0) as watch, _following(world, log):
            _await(world, world.progress, started)
            _disturb(world, chance, log, kills, started)
            asked.communicate()
            _await(world, lambda: not unfinished(world.database), started)
        problems = watch.found + unfinished(world.database)
        if world.cli("verify", NAME, "--json").code != 0:
            problems.append("`mnemo verify` is not content")
        same = digest_of(world.database, NAME) == reference
        return Outcome(seed, time.monotonic() - started, watch.readings, problems, same, log)


def _disturb(world: World, chance: random.Random, log: Log, kills: int, started: float) -> None:
    """Strikes until the kills are used up, or the work is done."""
    faults: list[str] = []
    done = 0
    while done < kills and _running(world) and time.monotonic() - started < LONGEST_SECONDS:
        if done % KILLS_PER_FAULT == KILLS_PER_FAULT - 1 or not done:
            faults = faults or chance.sample(list(FAULTS), len(FAULTS))
            name = faults.pop()
            log.note(name)
            FAULTS[name](world, chance)
            world.mend()
        done += _kill_one(world, chance, log)
        _wait(world, chance.uniform(0.2, 2 * PAUSE_SECONDS))


def _kill_one(world: World, chance: random.Random, log: Log) -> int:
    kind = chance.choice(KILLED)
    victims = world.processes(kind)
    if not victims:
        return 0
    victim = chance.choice(victims)
    family = [victim, *_below(victim)] if kind in ("supervisor", "worker") else [victim]
    names = {name for name in map(name_of, family) if name and kind != "parser"}
    if not kill(victim):
        return 0
    log.note(f"kill -9 of a {kind}")
    try:
        rows = world.sql(
            "SELECT id, lease_token::text AS token FROM batches"
            " WHERE state = 'leased' AND worker = ANY(:names)",
            names=sorted(names),
        )
    except DatabaseUnavailableError:
        rows = []
    log.orphans += [Orphan(row.id, row.token, time.monotonic()) for row in rows]
    return 1


@contextmanager
def _following(world: World, log: Log) -> Iterator[None]:
    """Notes progress and rescues beside the block."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(POLL_SECONDS):
            try:
                log.progress.append((time.monotonic(), world.progress()))
                held = {
                    row.token
                    for row in world.sql(
                        "SELECT lease_token::text AS token FROM batches WHERE state = 'leased'"
                    )
                }
            except DatabaseUnavailableError:
                continue
            for orphan in [each for each in log.orphans if each.token not in held]:
                log.orphans.remove(orphan)
                log.rescued.append(time.monotonic() - orphan.since)

    thread = threading.Thread(target=run, name="follower")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _running(world: World) -> bool:
    try:
        return world.running() > 0
    except DatabaseUnavailableError:
        return True


def _await(world: World, condition: Callable[[], object], started: float) -> None:
    """Mends what is broken until the condition holds, or until nobody would wait any longer."""
    while time.monotonic() - started < LONGEST_SECONDS:
        world.mend()
        with suppress(DatabaseUnavailableError):  # it is being restarted
            if condition():
                return
        time.sleep(POLL_SECONDS)


def _wait(world: World, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        world.mend()
        time.sleep(POLL_SECONDS)


def report(outcomes: list[Outcome], files: int, undisturbed: float) -> str:
    """The tables of docs/reliability.md."""
    columns = (
        *("seed", "kill -9", "other faults", "seconds", "checks meanwhile", "broken promises"),
        *("same digest", "leases of the killed: rescued", "slowest rescue"),
    )
    lines = [
        f"{files:,} files, two supervisors of workers; undisturbed with one: {undisturbed:.0f} s.",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
        *(f"| {' | '.join(_row(outcome))} |" for outcome in outcomes),
        "",
        "| fault | times | next step of any batch after, at the latest |",
        "|---|---|---|",
    ]
    times: Counter[str] = Counter()
    gaps: defaultdict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        for name, at in outcome.log.faults:
            times[name] += 1
            gaps[name] += _gap(outcome.log, at)
    lines += [
        f"| {name} | {times[name]} | {max(gaps[name], default=0):.0f} s |" for name in sorted(times)
    ]
    lines.append(f"| together | {times.total()} | |")
    return "\n".join(lines)


def _row(outcome: Outcome) -> list[str]:
    log = outcome.log
    return [
        str(outcome.seed),
        str(log.kills),
        str(len(log.faults) - log.kills),
        f"{outcome.seconds:.0f}",
        str(outcome.readings),
        "; ".join(outcome.problems) or "none",
        "yes" if outcome.same else "NO",
        f"{len(log.rescued)}, not {len(log.orphans)}",
        f"{max(log.rescued, default=0):.0f} s",
    ]


def _gap(log: Log, at: float) -> list[float]:
    """Seconds from a fault to the next step; empty where it struck after the last one."""
    before = max((value for when, value in log.progress if when <= at), default=0)
    after = next((when for when, value in log.progress if when > at and value > before), None)
    return [] if after is None else [after - at]


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _wake(process: psutil.Process) -> None:
    try:
        process.send_signal(signal.SIGCONT)
    except psutil.Error:
        return  # somebody killed it meanwhile


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mnemo-chaos-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _world(folder: Path, name: str) -> Iterator[World]:
    place = folder / name
    place.mkdir(mode=0o711)
    with World(place) as world:
        yield world
    shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
