"""Ports to try for a server on the loopback address."""

import secrets
import socket
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
ATTEMPTS = 5

# Below the range from which the kernel takes ports for outgoing connections (32768 and above on
# Linux, 49152 on macOS): nobody gets our port by chance while our server restarts.
LOWEST, HIGHEST = 20_000, 29_999


def candidates(fixed: int, remembered: int) -> Iterator[int]:
    """Ports to try in order: the fixed one only, or the remembered one and then free ones.

    Args:
        fixed: the port that was asked for; 0 if any will do.
        remembered: the port of the last start; 0 if there was none.
    """
    if fixed:
        yield fixed
        return
    if remembered:
        yield remembered
    for _ in range(ATTEMPTS):
        yield free_port()


def free_port() -> int:
    """A port that nobody listens on at this instant."""
    while True:
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST + 1)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
