"""Which ports are tried, and in which order."""

import socket
from itertools import islice
from pathlib import Path

from workers.embedded.ports import candidates, free_port, is_free


def test_a_fixed_port_is_the_only_one() -> None:
    """Whoever asks for a port wants no other."""
    assert [5432] == list(candidates(5432, 23_456))


def test_the_port_of_the_last_time_is_tried_first() -> None:
    """So that endpoints stay the same."""
    assert 23_456 == next(candidates(0, 23_456))


def test_other_ports_follow() -> None:
    """The one of the last time may be taken."""
    assert all(is_free(port) for port in islice(candidates(0, 23_456), 1, None))
    assert len(set(candidates(0, 23_456))) > 1


def test_a_first_start_gets_a_free_port() -> None:
    """Nothing is remembered yet."""
    assert is_free(next(candidates(0, 0)))


def test_a_taken_port_is_not_free() -> None:
    """Somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_a_port_taken_on_every_address_is_not_free() -> None:
    """Loopback is one of them."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - that is the case tested
        assert not is_free(server.getsockname()[1])


def test_free_ports_are_none_that_the_kernel_gives_to_clients() -> None:
    """A restarting server would find its port taken by somebody's connection."""
    kernel = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(kernel.read_text().split()[0]) if kernel.exists() else 49_152

    assert max(free_port() for _ in range(50)) < lowest
