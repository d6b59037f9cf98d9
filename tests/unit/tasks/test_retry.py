"""The retry policies: one table of decisions, and waits that stay spread."""

import ast
import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config import failpoints
from config.errors import (
    BadInputError,
    CircuitOpenError,
    ConfigurationError,
    ConflictError,
    DatabaseFullError,
    DatabaseUnavailableError,
    EncoderUnavailableError,
    MnemoError,
    ParserCrashedError,
    RemoteUnavailableError,
    TransientError,
)
from config.settings import Settings
from config.timeouts import Timeouts
from tasks.breaker import Limits
from tasks.pipeline import PipelineTask
from tasks.retry import CLAIMED, FILE, STEP, TRANSACTIONS, GiveUp, Policy, Retry, policies
from workers.app import create_app

ROOT = Path(__file__).parents[3]
TABLE = policies(Settings())
BATCH = TABLE["parse"]
CLIENTS = 1_000


@pytest.fixture
def _same_chance() -> Iterator[None]:
    """Chance as it was when the test was written: a bound on it is no bet."""
    state = random.getstate()
    random.seed(20_150_304)
    yield
    random.setstate(state)


def fullest_second(waits: list[float]) -> int:
    """How many of the waits end within the same second."""
    return max(Counter(math.floor(wait) for wait in waits).values())


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailableError(),
        ConflictError(),
        RemoteUnavailableError(),
        EncoderUnavailableError(),
        MnemoError("a defect"),
    ],
)
def test_what_may_pass_is_tried_again(error: MnemoError) -> None:
    """Transient, degraded and unknown errors are worth another attempt."""
    assert isinstance(BATCH.decide(error, 1), Retry)


@pytest.mark.parametrize("error", [BadInputError(), ConfigurationError(), ParserCrashedError()])
def test_what_repeats_itself_is_given_up_at_once(error: MnemoError) -> None:
    """A permanent error costs one attempt."""
    assert BATCH.decide(error, 1) == GiveUp()


def test_a_file_that_defeats_the_parser_is_tried_alone() -> None:
    """The one permanent error with a policy of its own: a neighbour may have caused it."""
    assert isinstance(FILE.decide(ParserCrashedError(), 2), Retry)
    assert FILE.decide(ParserCrashedError(), 3) == GiveUp()


def test_the_last_attempt_is_the_last() -> None:
    """The budget bounds everything."""
    assert isinstance(BATCH.decide(ConflictError(), 4), Retry)
    assert BATCH.decide(ConflictError(), 5) == GiveUp()


@given(st.integers(1, 10_000))
def test_a_full_disk_costs_no_attempt(attempt: int) -> None:
    """However long it lasts; it is looked at again within a minute."""
    decision = BATCH.decide(DatabaseFullError(), attempt)

    assert isinstance(decision, Retry)
    assert not decision.counted
    assert 0 <= decision.after <= 60


@given(st.integers(1, 10_000))
def test_a_wait_stays_within_its_bounds(attempt: int) -> None:
    """From nothing to the doubled base, and never beyond the cap."""
    assert 0 <= BATCH.wait(attempt) <= min(300.0, 2.0 ** min(attempt - 1, 20))


@given(
    attempts=st.integers(1, 40),
    base=st.floats(0.001, 100),
    factor=st.floats(1, 1_000),
    attempt=st.integers(1, 60),
)
def test_any_policy_ends(attempts: int, base: float, factor: float, attempt: int) -> None:
    """It retries exactly what is left of its attempts, and waits no longer than its cap."""
    policy = Policy(
        operation="any",
        by="ledger",
        attempts=attempts,
        base=base,
        cap=base * factor,
        retried=(TransientError,),
    )

    decision = policy.decide(ConflictError(), attempt)

    assert isinstance(decision, Retry) == (attempt < attempts)
    if isinstance(decision, Retry):
        assert 0 <= decision.after <= policy.cap


@given(st.integers(1, 10_000), st.floats(1.0, 1_000.0), st.floats(0.0, Limits().open_cap))
def test_no_wait_is_longer_than_the_longest(attempt: int, cap: float, open_for: float) -> None:
    """Neither by the policy nor by a breaker: what waits longer has seen a clock go back."""
    policy = Policy(
        operation="any",
        by="ledger",
        attempts=20_000,
        base=1.0,
        cap=cap,
        retried=(TransientError,),
    )

    for error in (ConflictError(), CircuitOpenError(after=open_for)):
        decision = policy.decide(error, attempt)
        assert isinstance(decision, Retry)
        assert decision.after <= policy.longest


@pytest.mark.usefixtures("_same_chance")
@pytest.mark.parametrize("operation", ["parse", "step"])
def test_clients_do_not_return_together(operation: str) -> None:
    """At the cap, no second sees more than three times its share of a thousand clients."""
    policy = TABLE[operation]

    waits = [policy.wait(50) for _ in range(CLIENTS)]

    assert fullest_second(waits) <= 3 * CLIENTS / policy.cap


def test_what_is_not_idempotent_gets_no_second_attempt() -> None:
    """The first may have taken effect; whoever writes such a policy is told why."""
    with pytest.raises(ValueError, match=r"send_mail is not idempotent.* would double it"):
        Policy(
            operation="send_mail",
            by="process",
            attempts=2,
            base=1.0,
            cap=1.0,
            retried=(ConflictError,),
            idempotent=False,
        )


def test_what_is_not_idempotent_may_be_done_once() -> None:
    """That is its policy."""
    once = Policy(operation="send_mail", by="process", idempotent=False)

    assert once.decide(ConflictError(), 1) == GiveUp()


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ({"attempts": 0}, "at least one attempt"),
        ({"retried": ()}, "name the errors"),
        ({"base": 0.0}, "above 0"),
        ({"base": 2.0, "cap": 1.0}, "not above its cap"),
    ],
)
def test_a_policy_without_sense_is_refused(numbers: dict[str, Any], why: str) -> None:
    """When it is written, not when it is needed."""
    sound: dict[str, Any] = {"attempts": 2, "base": 1.0, "cap": 1.0, "retried": (ConflictError,)}

    with pytest.raises(ValueError, match=f"x: .*{why}"):
        Policy(operation="x", by="process", **(sound | numbers))


def test_the_ledger_is_as_patient_as_the_settings_say() -> None:
    """Every stage, and the replay of failed embeddings."""
    table = policies(Settings(max_attempts=2, retry_base=0.5, retry_cap=7.0))

    for operation in CLAIMED:
        found = table[operation]
        assert (found.by, found.attempts, found.base, found.cap) == ("ledger", 2, 0.5, 7.0)


def test_asking_is_never_repeated() -> None:
    """A doubled commit would ask for the same source twice."""
    enqueue = TABLE["enqueue"]

    assert not enqueue.idempotent
    assert enqueue.attempts == 1


def test_celery_retries_as_the_table_says() -> None:
    """With full jitter and for at most a minute; Celery counts whole seconds."""
    assert PipelineTask.autoretry_for == STEP.retried == (DatabaseUnavailableError,)
    assert (PipelineTask.retry_backoff, PipelineTask.retry_backoff_max) == (STEP.base, STEP.cap)
    assert PipelineTask.max_retries == STEP.attempts - 1
    assert PipelineTask.retry_jitter
    assert STEP.cap <= 60


def test_kombu_retries_as_the_table_says() -> None:
    """A message that cannot be sent."""
    urls = {name: SecretStr(f"{name}://h/0") for name in ("postgresql", "redis")}
    app = create_app(Settings(database_url=urls["postgresql"], broker_url=urls["redis"]))
    policy, publish = app.conf.task_publish_retry_policy, TABLE["publish"]

    assert policy["max_retries"] == publish.attempts - 1
    assert (policy["interval_start"], policy["interval_max"]) == (publish.base, publish.cap)


def test_a_task_has_time_for_the_retries_of_its_transactions() -> None:
    """The shortest one commits and settles: each may wait for a lock once more at the end."""
    limits = Timeouts()
    longest = max(
        policy.seconds + policy.cap + limits.sql_lock
        for policy in TABLE.values()
        if policy.operation in TRANSACTIONS
    )

    assert 2 * longest < limits.persist_task


def test_every_transaction_that_is_retried_is_in_the_table_and_used() -> None:
    """A name that is misspelt would be found out only when it runs."""
    named = {
        node.args[0].value
        for room in ("tasks", "workers", "mnemolite")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "transact"
        and isinstance(node.args[0], ast.Constant)
    }

    assert named == {*TRANSACTIONS, "enqueue"}
    assert named <= failpoints.OPERATIONS.keys()


def test_the_documented_table_is_the_table() -> None:
    """Row by row, as docs/reliability.md shows it."""
    section = (ROOT / "docs/reliability.md").read_text().partition("\n## Retries\n")[2]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.partition("\n## ")[0].splitlines()
        if line.startswith("| `")
    ]
    documented = {name: row[1:] for row in rows for name in re.findall(r"`([^`]+)`", row[0])}

    assert documented == {name: shown(policy) for name, policy in TABLE.items()}


def shown(policy: Policy) -> list[str]:
    """A policy as a row of the documentation."""
    if policy.attempts == 1:
        return ["nobody", "1", "-", "-", "nothing", "yes" if policy.idempotent else "no"]
    errors = ", ".join(error.__name__ for error in policy.retried).replace("Exception", "any error")
    refused = "".join(f" but {error.__name__}" for error in policy.never)
    return [
        policy.by,
        str(policy.attempts),
        f"{policy.base:g}",
        f"{policy.cap:g}",
        errors + refused,
        "yes" if policy.idempotent else "no",
    ]
