"""A TCP proxy that misbehaves on demand, with the names of toxiproxy's toxics.

Written here because toxiproxy is a server of its own that no package index carries. A thread per
direction of a connection; toxics can be changed while connections are open.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

PIECE = 16_384
TICK = 0.02  # how soon a change of toxics is noticed
RESET = struct.pack("ii", 1, 0)  # SO_LINGER that turns a close into a RST


@dataclass(slots=True)
class Toxics:
    """What goes wrong with every connection; the defaults are a perfect line.

    Attributes:
        latency: seconds that each piece is delayed.
        bandwidth: bytes per second; 0: unlimited.
        slicer: bytes per piece at the most; 0: as they come.
        limit_data: a connection is closed after so many bytes of reply; 0: never.
        reset_peer: connections are reset instead of served.
        timeout: nothing passes, and a connection is closed after these seconds; 0: off.
        slow_close: seconds between one side's close and the other's.
        black_hole: connections stay open and nothing passes, in either direction.
    """

    latency: float = 0.0
    bandwidth: float = 0.0
    slicer: int = 0
    limit_data: int = 0
    reset_peer: bool = False
    timeout: float = 0.0
    slow_close: float = 0.0
    black_hole: bool = False


@dataclass(slots=True, eq=False)
class Pair:
    """The two sockets of a proxied connection."""

    client: socket.socket
    server: socket.socket
    opened: float = field(default_factory=time.monotonic)
    replied: int = 0

    def close(self, *, reset: bool = False) -> None:
        """Closes both ends; with a RST if asked."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):  # the other thread was first
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                else:
                    end.shutdown(socket.SHUT_RDWR)
            end.close()


class Proxy:
    """Listens on a free port of the loopback address and forwards to `host`:`port`.

    Attributes:
        toxics: replace or change them at any time.
        cut: how many connections the toxics have ended.
    """

    def __init__(self, host: str, port: int) -> None:
        self.toxics = Toxics()
        self.cut = 0
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TICK)
        self._pairs: set[Pair] = set()
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self.reset_all()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def reset_all(self) -> int:
        """Resets every open connection; returns how many."""
        pairs = list(self._pairs)
        for pair in pairs:
            self._end(pair, reset=True)
        return len(pairs)

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            client.setblocking(True)
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            server.setblocking(True)
            pair = Pair(client, server)
            self._pairs.add(pair)
            self._spawn(self._pump, pair, client, server)
            self._spawn(self._pump, pair, server, client)

    def _pump(self, pair: Pair, source: socket.socket, sink: socket.socket) -> None:
        try:
            while not self._stopped.is_set() and pair in self._pairs:
                if self._is_cut(pair):
                    return
                silent = self.toxics.black_hole or self.toxics.timeout
                if silent or not select.select([source], [], [], TICK)[0]:
                    self._stopped.wait(TICK if silent else 0)
                    continue
                piece = source.recv(PIECE)
                if not piece:
                    time.sleep(self.toxics.slow_close)
                    return
                if not self._forward(pair, sink, piece):
                    return
        except (OSError, ValueError):
            return  # closed by the other direction
        finally:
            self._end(pair)

    def _is_cut(self, pair: Pair) -> bool:
        toxics = self.toxics
        late = toxics.timeout and time.monotonic() - pair.opened > toxics.timeout
        if toxics.reset_peer or late:
            self.cut += 1
            self._end(pair, reset=toxics.reset_peer)
            return True
        return False

    def _forward(self, pair: Pair, sink: socket.socket, piece: bytes) -> bool:
        """Sends a piece as the toxics have it; False where they end the connection by it."""
        toxics = self.toxics
        is_reply = sink is pair.client
        if is_reply and toxics.limit_data:
            piece = piece[: toxics.limit_data - pair.replied]
        for start in range(0, len(piece), toxics.slicer or PIECE):
            part = piece[start : start + (toxics.slicer or PIECE)]
            time.sleep(toxics.latency + (len(part) / toxics.bandwidth if toxics.bandwidth else 0))
            sink.sendall(part)
        if is_reply:
            pair.replied += len(piece)
            if toxics.limit_data and pair.replied >= toxics.limit_data:
                self.cut += 1
                return False
        return True

    def _end(self, pair: Pair, *, reset: bool = False) -> None:
        if pair in self._pairs:
            self._pairs.discard(pair)
            pair.close(reset=reset)
