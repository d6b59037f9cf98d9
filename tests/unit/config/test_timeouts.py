"""Time limits: each is positive, they nest, and a wrong one is explained; a flag lifts them all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.settings import Settings
from config.timeouts import DAY, LIMITS, NESTINGS, RHYTHM, TASKS, Nesting, Timeouts

DEFAULTS = Timeouts()
SECONDS = st.floats(min_value=0.001, max_value=2_000_000)
ANY = st.one_of(st.floats(), st.integers(-10, 10), st.sampled_from([0, -0.0, 1e308, 5e-324]))


def refusal(**limits: float) -> str:
    """Why these limits are refused."""
    with pytest.raises(ValidationError) as caught:
        Timeouts.model_validate(limits)
    return str(caught.value)


@given(name=st.sampled_from(sorted(Timeouts.model_fields)), seconds=ANY)
def test_a_limit_is_a_time_that_every_clock_can_count(name: str, seconds: float) -> None:
    """Below a millisecond PostgreSQL would take it for no limit, above a month it cannot count."""
    if 0.001 <= seconds <= 2_000_000:
        return
    assert name in refusal(**{name: seconds})


@given(st.dictionaries(st.sampled_from(sorted(Timeouts.model_fields)), SECONDS))
def test_limits_that_are_accepted_nest(limits: dict[str, float]) -> None:
    """Whatever is set, what loads fulfils every relation; what does not is refused."""
    wanted = DEFAULTS.model_copy(update=limits)
    broken = not all(fulfilled(wanted, nesting) for nesting in NESTINGS)

    if broken or wanted.lease + wanted.reconcile > 60:
        assert "MNEMO_TIMEOUTS__" in refusal(**limits)
    else:
        assert Timeouts.model_validate(limits) == wanted


@pytest.mark.parametrize("nesting", NESTINGS, ids=lambda nesting: f"{nesting[0]}-{nesting[2]}")
def test_a_broken_relation_says_what_to_change(nesting: Nesting) -> None:
    """Both limits by their variables, and what would go wrong."""
    outer, times, inner, otherwise = nesting

    told = refusal(**{inner: getattr(DEFAULTS, outer) / times + 0.5})

    assert f"raise MNEMO_TIMEOUTS__{outer.upper()} or lower MNEMO_TIMEOUTS__{inner.upper()}" in told
    assert otherwise in told


def test_the_promised_rescue_bounds_lease_and_reconciler() -> None:
    """A worker's death is made good within a minute."""
    told = refusal(lease=52)

    assert "60 s" in told
    assert "lower MNEMO_TIMEOUTS__LEASE or MNEMO_TIMEOUTS__RECONCILE" in told


def test_every_limit_says_what_it_limits() -> None:
    """`config/timeouts.py` is where one looks it up."""
    assert all(field.description for field in Timeouts.model_fields.values())


@pytest.mark.parametrize("name", ["lease", "heartbeat", "nope", "model_config"])
def test_only_limits_of_work_are_looked_up(name: str) -> None:
    """A pause or a wrong name is no limit that anything could be held to."""
    with pytest.raises(ValueError, match="no time limit"):
        DEFAULTS.limit(name)


def test_every_task_has_its_limit() -> None:
    """And the broker waits for the longest."""
    assert DEFAULTS.task_limit("embed") == DEFAULTS.limit("embed_task") == 900
    assert max(map(DEFAULTS.task_limit, TASKS)) == DEFAULTS.longest_task() == 3600


def test_without_the_feature_nothing_limits_work() -> None:
    """A day for a task, half of one for what it does; and all of them still nest."""
    lifted = Settings.model_validate({"features": {"timeouts": False}}).timeouts

    assert {name for name in LIMITS if lifted.limit(name) < DAY / 2} == set()
    assert all(fulfilled(lifted, nesting) for nesting in NESTINGS)


def test_without_the_feature_the_dead_are_rescued_all_the_same() -> None:
    """Leases, heartbeats and waits for a server that is down stay as they are set."""
    given_settings = {"features": {"timeouts": False}, "timeouts": {"lease": 25}}
    lifted = Settings.model_validate(given_settings).timeouts

    assert lifted.lease == 25
    assert all(getattr(lifted, name) == getattr(DEFAULTS, name) for name in RHYTHM - {"lease"})


@given(st.dictionaries(st.sampled_from(sorted(LIMITS)), SECONDS))
def test_lifting_never_shortens_a_limit(limits: dict[str, float]) -> None:
    """Whoever sets a week gets a week; and what was lifted can be passed on to a process."""
    try:
        accepted = Timeouts.model_validate(limits)
    except ValidationError:
        return
    lifted = accepted.lifted()

    assert all(lifted.limit(name) >= accepted.limit(name) for name in LIMITS)
    assert Timeouts.model_validate(lifted.model_dump()) == lifted


def test_settings_reach_another_process_without_the_urls() -> None:
    """As JSON, with limits and features as they are here."""
    changed: dict[str, Any] = {
        "database_url": "postgresql://u:hunter2@h/d",
        "features": {"timeouts": False, "breakers": False},
        "encoder_backend": "torch-fp32",
    }
    settings = Settings.model_validate(changed)

    passed_on = settings.without_urls()

    assert "hunter2" not in str(passed_on)
    assert Settings.model_validate(passed_on | {"database_url": "postgresql://u:hunter2@h/d"}) == (
        settings
    )


def fulfilled(limits: Timeouts, nesting: Nesting) -> bool:
    """Whether the relation holds."""
    outer, times, inner, _ = nesting
    return bool(getattr(limits, outer) >= times * getattr(limits, inner))
