"""A pipeline with something indexed, and a change of its models."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import Pipeline
from tests.integration.models.change import FILES, Change


@pytest.fixture
def change(pipeline: Pipeline, make_repository: Callable[..., Path]) -> Change:
    """A change of the models of a repository that is indexed."""
    assert pipeline.index(make_repository(FILES))["state"] == "succeeded"
    return Change(pipeline)
