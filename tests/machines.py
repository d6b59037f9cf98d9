"""How long state machines are searched: a little in every test run, for long in `make chaos`.

`--hypothesis-profile=thorough` asks for the latter; `conftest.py` registers the profile.
"""

from hypothesis import HealthCheck, settings

THOROUGH = "thorough"


def effort(*, quick: int, thorough: int, steps: int = 50) -> settings:
    """So many examples, of so many steps at the most."""
    chosen = thorough if settings.get_current_profile_name() == THOROUGH else quick
    return settings(
        max_examples=chosen,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
