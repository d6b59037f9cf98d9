"""Servers and workers behind the command: started, shared, killed, stopped."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.commands import WAIT_SECONDS, Cli, NewCli, await_true
from workers.embedded.home import Endpoints, Home

MakeShop = Callable[[str], Path]
LOSE_A_VECTOR = """
WITH lost AS (
    DELETE FROM embeddings
     WHERE space = 'code' AND input_id = (SELECT min(code_id) FROM code_chunks)
    RETURNING model_id, space, input_id)
INSERT INTO failed_embeddings (chunk_id, model_id, space, error_class, last_error, next_attempt_at)
SELECT c.id, lost.model_id, lost.space, 'EmbeddingError', 'lost', now() + interval '3 s'
  FROM lost JOIN code_chunks c ON c.code_id = lost.input_id
"""


def owner(cli: Cli) -> psutil.Process:
    """The process that runs the servers and workers of a home."""
    found = Home(cli.home).owner()
    assert found is not None
    return psutil.Process(found.pid)


def family(cli: Cli) -> list[psutil.Process]:
    """Everything that runs for a home."""
    process = owner(cli)
    return [process, *process.children(recursive=True)]


def gone(processes: list[psutil.Process]) -> bool:
    """True when none of them lives, zombies aside."""
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )


def test_down_leaves_nothing_behind(new_cli: NewCli) -> None:
    """Neither servers nor workers."""
    cli = new_cli("down")
    cli("up")
    processes = family(cli)

    assert cli("down").code == 0
    assert gone(processes)
    assert "nothing was running" in cli("down").stderr


def test_a_killed_owner_leaves_nothing_behind(new_cli: NewCli) -> None:
    """Nor does it need to be asked."""
    cli = new_cli("killed")
    cli("up")
    processes = family(cli)

    owner(cli).kill()

    await_true(lambda: gone(processes))


def test_after_a_kill_the_next_command_starts_again(new_cli: NewCli, make_shop: MakeShop) -> None:
    """What was indexed is there, and what was under way is finished."""
    cli = new_cli("again")
    cli("index", str(make_shop("again-one")))
    asked = cli("index", str(make_shop("again-two")), "--no-wait", "--json").json
    processes = family(cli)
    owner(cli).kill()
    await_true(lambda: gone(processes))

    followed = cli("status", asked["run_id"], "--watch", "--json")

    assert followed.json["state"] == "succeeded"
    assert cli("verify", "again-one").code == 0
    assert cli("verify", "again-two").code == 0


def test_a_killed_worker_is_replaced(new_cli: NewCli, make_shop: MakeShop) -> None:
    """The supervisor starts another, which does the work."""
    cli = new_cli("worker")
    cli("up")
    await_true(lambda: len(owner(cli).children()) == 6)
    for child in owner(cli).children():
        if "workers.process" in child.cmdline():
            child.kill()

    assert cli("index", str(make_shop("worker-shop"))).code == 0
    assert cli("verify", "worker-shop").code == 0


@pytest.mark.parametrize("program", ["postgres", "valkey-server"])
def test_a_killed_server_is_replaced(new_cli: NewCli, make_shop: MakeShop, program: str) -> None:
    """Nothing that was stored is lost, and work goes on."""
    cli = new_cli(f"server-{program}")
    assert cli("index", str(make_shop(f"before-{program}"))).code == 0
    [server] = [child for child in owner(cli).children() if program in child.name()]
    server.kill()

    assert cli("index", str(make_shop(f"after-{program}"))).code == 0
    assert cli("verify", f"before-{program}").code == 0
    assert cli("verify", f"after-{program}").code == 0


def test_commands_at_once_share_one_set_of_servers(new_cli: NewCli, make_shop: MakeShop) -> None:
    """Also when none was running before: one starts them, the others wait for it."""
    cli = new_cli("together")
    sources = [make_shop(f"together-{number}") for number in range(3)]
    started = [cli.start("index", str(source), "--json") for source in sources]

    receipts = [json.loads(process.communicate(timeout=WAIT_SECONDS * 2)[0]) for process in started]

    assert {"succeeded"} == {receipt["state"] for receipt in receipts}
    assert len([child for child in owner(cli).children() if "postgres" in child.name()]) == 1


def test_the_same_source_twice_at_once_does_no_harm(new_cli: NewCli, make_shop: MakeShop) -> None:
    """Both commands end with the same index."""
    cli = new_cli("twice")
    source = make_shop("twice-shop")
    started = [cli.start("index", str(source), "--json") for _ in range(2)]

    receipts = [json.loads(process.communicate(timeout=WAIT_SECONDS * 2)[0]) for process in started]

    assert {"succeeded"} == {receipt["state"] for receipt in receipts}
    assert cli("verify", "twice-shop").code == 0


def test_two_homes_run_side_by_side(new_cli: NewCli, make_shop: MakeShop) -> None:
    """They share nothing."""
    one, two = new_cli("one"), new_cli("two")
    one("index", str(make_shop("only-in-one")))

    assert two("verify", "only-in-one").code == 2
    assert one("verify", "only-in-one").code == 0


def test_an_interrupted_command_does_not_interrupt_the_run(
    new_cli: NewCli, make_shop: MakeShop
) -> None:
    """Ctrl-C ends the waiting."""
    cli = new_cli("interrupt")
    cli("up")
    process = cli.start("index", str(make_shop("interrupted")))
    await_true(lambda: cli("status", "--json").json["repositories"])
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT_SECONDS)

    await_true(lambda: cli("verify", "interrupted").code == 0)


def test_nothing_is_imported_from_the_current_folder(
    new_cli: NewCli, make_shop: MakeShop, shared_folder: Path
) -> None:
    """A folder that holds modules of our names runs none of them."""
    cli = new_cli("hostile")
    trap = shared_folder / "imported"
    for name in ("config", "tasks", "schema", "workers", "search", "mnemolite", "celery", "kombu"):
        package = cli.cwd / name
        package.mkdir()
        (package / "__init__.py").write_text(f"open({str(trap)!r}, 'a').write('{name}')\n")

    assert cli("index", str(make_shop("hostile-shop"))).code == 0
    assert cli("search", "cart").code == 0
    assert not trap.exists()


def test_workers_share_nothing_but_two_urls(
    new_cli: NewCli, make_shop: MakeShop, database_url: str, endpoints: Endpoints
) -> None:
    """With servers elsewhere nothing is started; workers anywhere do the work."""
    outside = {
        "MNEMO_DATABASE_URL": database_url,
        "MNEMO_BROKER_URL": endpoints.broker_url.get_secret_value(),
    }
    user, host = new_cli("user", **outside), new_cli("host", **outside)
    halves = [
        host.start("worker", "start", "--queues", "control,parse,persist", "--concurrency", "1"),
        host.start("worker", "start", "--queues", "embed", "--no-reconciler"),
    ]
    try:
        result = user("index", str(make_shop("distributed")), "--json")
        assert result.json["state"] == "succeeded"
        assert user("verify", "distributed").code == 0
        assert not (user.home / "postgres").exists()
    finally:
        for process in halves:
            process.terminate()
            process.communicate(timeout=WAIT_SECONDS)
    assert [0, 0] == [process.returncode for process in halves]


def test_a_path_of_this_host_is_read_by_this_host(
    new_cli: NewCli, make_shop: MakeShop, database_url: str, endpoints: Endpoints
) -> None:
    """Workers elsewhere could not: the command lists the files itself."""
    cli = new_cli(
        "lister",
        MNEMO_DATABASE_URL=database_url,
        MNEMO_BROKER_URL=endpoints.broker_url.get_secret_value(),
    )

    asked = cli("index", str(make_shop("listed")), "--no-wait", "--json").json

    status = cli("status", asked["run_id"], "--json").json
    assert status["state"] == "indexing"
    assert status["progress"]["listing"] is False
    assert status["progress"]["blobs"] == 5


def test_enqueueing_needs_no_broker(
    new_cli: NewCli, make_shop: MakeShop, database_url: str
) -> None:
    """PostgreSQL is the queue."""
    cli = new_cli("no-broker", MNEMO_DATABASE_URL=database_url)

    assert cli("index", str(make_shop("brokerless")), "--no-wait").code == 0


def test_a_failed_embedding_is_healed_by_the_retry_worker(
    new_cli: NewCli, make_shop: MakeShop
) -> None:
    """By itself, as soon as it is due."""
    cli = new_cli("heal")
    repository = cli("index", str(make_shop("heal")), "--json").json["repository"]
    endpoints = Home(cli.home).endpoints()
    assert endpoints is not None
    with psycopg.connect(endpoints.database_url.get_secret_value()) as connection:
        connection.execute(LOSE_A_VECTOR)
    assert not cli("verify", repository, "--json").json["ok"]

    await_true(lambda: cli("verify", repository, "--json").json["ok"])

    assert cli("failed", "list", "--json").json == {"failures": []}
