"""How long state machines are searched: a little in every test run, for long in `make chaos`.

`--hypothesis-profile=thorough` asks for the latter; `conftest.py` registers the profile.
"""

from hypothesis import HealthCheck, settings

THOROUGH = "thorough"
STEPS = 50


def effort(*, quick: int, thorough: int, steps: int = STEPS) -> settings:
    """So many examples of at most 50 steps; of at most `steps` where it must be quick."""
    long = settings.get_current_profile_name() == THOROUGH
    return settings(
        max_examples=thorough if long else quick,
        stateful_step_count=STEPS if long else steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
