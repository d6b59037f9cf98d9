"""A policy's number."""

import subprocess
import sys

from tasks.discover.fingerprint import fingerprint
from tasks.discover.manifest import POLICY_VERSION


def test_it_fits_postgresql_s_integer() -> None:
    """31 bits, never negative."""
    assert all(0 <= fingerprint([n]) < 2**31 for n in range(1_000))


def test_other_parts_have_another_number() -> None:
    """Also when only the borders between them move."""
    assert len({fingerprint(parts) for parts in (["ab"], ["a", "b"], ["b", "a"], [1], ["1"])}) == 5


def test_the_policy_has_the_same_number_in_every_process() -> None:
    """Hash randomisation must not leak in, or every worker would re-index."""
    program = "from tasks.discover.manifest import POLICY_VERSION; print(POLICY_VERSION)"
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in (1, 2)
    }

    assert {str(POLICY_VERSION)} == runs
