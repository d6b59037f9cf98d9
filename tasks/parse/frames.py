"""The language between a worker and its parser process: JSON in frames of a known length.

The process sends `READY` when it has started. Then each request, `{"id", "language", "source",
"seconds"}`, gets one reply with the same id: `{"id", "parsed"}` (`ParsedFile.to_plain`), or `{"id",
"late"}` when the time was not enough. End of input ends the process. Never pickle: the process
reads hostile files, and may itself be what they made of it.
"""

import json
import struct
from typing import IO, Any

READY = {"ready": True}
EXIT_OUT_OF_MEMORY = 77
MAX_FRAME_BYTES = 1 << 28
"""Far above the reply to any file of a permitted size."""

_LENGTH = struct.Struct("!I")


def encode(message: dict[str, Any]) -> bytes:
    """A message as one frame."""
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return _LENGTH.pack(len(body)) + body


def read(stream: IO[bytes]) -> Any:
    """The next message from a blocking stream, None at its end."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    return json.loads(stream.read(length))


class FrameBuffer:
    """Collects one frame from a sender that is not trusted."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, received: bytes) -> bool:
        """Adds what was received; True once the frame is whole.

        Raises:
            ValueError: the frame is too long, or something follows it.
        """
        self._bytes += received
        if len(self._bytes) < _LENGTH.size:
            return False
        length: int = _LENGTH.unpack_from(self._bytes)[0]
        missing = _LENGTH.size + length - len(self._bytes)
        if length > MAX_FRAME_BYTES or missing < 0:
            raise ValueError(f"a frame of {length} bytes, {-missing} too many")
        return missing == 0

    def message(self) -> Any:
        """The frame's JSON.

        Raises:
            ValueError: it is none.
        """
        try:
            return json.loads(self._bytes[_LENGTH.size :])
        except RecursionError as exc:
            raise ValueError("JSON nested too deeply") from exc
