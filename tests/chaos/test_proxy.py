"""The proxy itself: each toxic does what its name says."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Proxy, Toxics

HELLO = b"hello, is anybody there?"


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    """A proxy before that server, without toxics."""
    with Proxy("127.0.0.1", echo) as proxy:
        yield proxy


def test_a_perfect_line_changes_nothing(proxy: Proxy) -> None:
    """Many pieces come back in order."""
    sent = bytes(range(256)) * 2_000

    assert ask(proxy, sent) == sent


def test_latency_delays(proxy: Proxy) -> None:
    """Both ways."""
    proxy.toxics = Toxics(latency=0.05)
    started = time.monotonic()

    assert ask(proxy, HELLO) == HELLO
    assert time.monotonic() - started >= 0.1


def test_bandwidth_slows(proxy: Proxy) -> None:
    """A tenth of a second's worth takes at least that."""
    proxy.toxics = Toxics(bandwidth=10_000)
    started = time.monotonic()

    assert len(ask(proxy, bytes(1_000))) == 1_000
    assert time.monotonic() - started >= 0.2


def test_slicer_changes_no_byte(proxy: Proxy) -> None:
    """It only cuts."""
    proxy.toxics = Toxics(slicer=3)

    assert ask(proxy, HELLO) == HELLO


def test_limit_data_cuts_a_reply(proxy: Proxy) -> None:
    """After exactly so many bytes."""
    proxy.toxics = Toxics(limit_data=7)

    assert ask(proxy, HELLO) == HELLO[:7]
    assert proxy.cut == 1


def test_reset_peer_resets(proxy: Proxy) -> None:
    """The caller is told, not left waiting."""
    proxy.toxics = Toxics(reset_peer=True)

    with connected(proxy) as line, pytest.raises(ConnectionResetError):
        line.recv(1)


def test_timeout_closes_after_a_while(proxy: Proxy) -> None:
    """Without a byte."""
    proxy.toxics = Toxics(timeout=0.1)

    assert ask(proxy, HELLO) == b""


def test_slow_close_delays_the_end(proxy: Proxy) -> None:
    """The data is there at once."""
    proxy.toxics = Toxics(slow_close=0.1)
    with connected(proxy) as line:
        line.sendall(HELLO)
        line.shutdown(socket.SHUT_WR)
        started = time.monotonic()
        while line.recv(1_000):
            pass

    assert time.monotonic() - started >= 0.1


def test_a_black_hole_is_silent_and_ends(proxy: Proxy) -> None:
    """What was swallowed meanwhile arrives when it ends."""
    proxy.toxics = Toxics(black_hole=True)
    with connected(proxy) as line:
        line.sendall(HELLO)
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(5)
        proxy.toxics = Toxics()

        assert line.recv(1_000)


def test_open_connections_can_be_reset(proxy: Proxy) -> None:
    """All of them at once."""
    with connected(proxy) as line:
        line.sendall(b"x")
        line.recv(1)

        assert proxy.reset_all() == 1
        with pytest.raises(ConnectionResetError):
            line.recv(1)


def test_a_server_that_is_down_is_a_closed_connection() -> None:
    """Nothing hangs."""
    with Proxy("127.0.0.1", 1) as proxy:
        assert ask(proxy, b"") == b""


def connected(proxy: Proxy) -> socket.socket:
    """A connection through the proxy."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def ask(proxy: Proxy, sent: bytes) -> bytes:
    """What comes back for `sent`, until as much or the end came."""
    received = b""
    with connected(proxy) as line:
        sender = threading.Thread(target=_send, args=(line, sent))
        sender.start()
        while len(received) < len(sent) or not sent:
            piece = line.recv(65_536)
            if not piece:
                break
            received += piece
        sender.join()
    return received


def _send(line: socket.socket, sent: bytes) -> None:
    try:
        line.sendall(sent)
    except OSError:
        return  # the proxy hung up: the receiving side tells


def _echo(connection: socket.socket) -> None:
    with connection:
        try:
            while piece := connection.recv(65_536):
                connection.sendall(piece)
        except OSError:
            return
