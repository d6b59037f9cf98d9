"""The judgements of health: from what was seen to a service's status."""

from workers.health import judge_breakers


def test_open_breakers_degrade_and_are_named() -> None:
    """Every one of them."""
    service = judge_breakers(["broker", "git:down.example"])

    assert (service.status, service.detail) == (
        "degraded",
        "left alone for a while: broker, git:down.example",
    )


def test_without_open_breakers_all_is_well() -> None:
    """Closed ones are not named."""
    assert judge_breakers([]).status == "healthy"
