"""Structured logging to stderr, every event scrubbed. Each process sets it up once.

Events are named `area.event` and carry fields. `correlation_id` follows a run from the command line
through every worker: `bind` it once, and each line of that task has it.
"""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.scrub import scrub
from config.settings import Settings


def setup_logging(settings: Settings, *, process: str) -> None:
    """Sends structlog's and the standard library's records to stderr, in one format.

    Args:
        settings: gives level and format; `auto` is readable on a terminal and JSON elsewhere.
        process: name of this kind of process, on every line.
    """
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                scrub_event,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for chatty in ("celery.worker.strategy", "celery.app.trace", "httpx", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.contextvars.bind_contextvars(process=process)
    # an event that cannot be written would be printed as it is, with its traceback
    logging.raiseExceptions = False
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed


def get_logger(area: str) -> structlog.stdlib.BoundLogger:
    """A logger for events of `area`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(area)
    return logger


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Binds fields, the correlation id first of all, to every event inside the block."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What nobody caught is logged, and thereby scrubbed, instead of printed as it is."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        get_logger("process").critical("process.crashed", exc_info=(kind, error, trace))


def _thread_crashed(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and args.exc_type is not SystemExit:
        _crashed(args.exc_type, args.exc_value, args.exc_traceback)


def scrub_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Scrubs every string of an event; the last step before rendering."""
    return {key: _scrubbed(value) for key, value in event.items()}


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {key: _scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else scrub(str(value))
