"""The process in which `tasks.deadline` runs one function: asked once, answers once.

Its life is tied to its parent's, who kills it with all that it started, also when it has answered.
"""

import importlib
import os
import sys
import traceback
from typing import Any

from config.logging import setup_logging
from config.settings import get_settings
from tasks.deadline import ERRORS
from tasks.lifeline import die_with
from tasks.parse.frames import encode, read


def main(parent: int) -> None:
    """Answers the one request on stdin.

    Args:
        parent: its process id.
    """
    die_with(parent)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # nothing but the reply may reach the parent's end of the pipe
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if request := read(sys.stdin.buffer):
        replies.write(answer(request))
        replies.flush()


def answer(request: dict[str, Any]) -> bytes:
    """Calls the function; the frame that tells its result or its error."""
    try:
        settings = get_settings()
        quiet = {} if "log_level" in settings.model_fields_set else {"log_level": "warning"}
        setup_logging(settings.model_copy(update=quiet), process=request["operation"])
        function = _found(request["function"])
        return encode({"result": function(*request["arguments"], **request["named"])})
    except Exception as exc:  # noqa: BLE001 - raised again by the parent
        return encode(_told(exc))


def _found(address: str) -> Any:
    module, _, name = address.partition(":")
    function = getattr(importlib.import_module(module), name)
    return getattr(function, "unlimited", function)


def _told(error: Exception) -> dict[str, str]:
    """The error as the nearest class that the parent can make again of a message alone."""
    names = {kind: name for name, kind in ERRORS.items()}
    kind = next(kind for kind in type(error).__mro__ if kind in names and _takes_message(kind))
    message = str(error) if kind is type(error) else f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    return {"error": names[kind], "message": message, "trace": trace}


def _takes_message(kind: Any) -> bool:
    try:
        kind("")
    except TypeError:
        return False
    return True


if __name__ == "__main__":
    main(int(sys.argv[1]))
