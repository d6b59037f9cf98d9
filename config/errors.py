"""The one error tree. The class decides what happens next; nobody inspects messages.

MnemoError
├── TransientError              try again later: the ledger reschedules the work
│   ├── DatabaseUnavailableError
│   │   └── DatabaseFullError       its disk: costs no attempt, for nobody's work is to blame
│   ├── BrokerUnavailableError
│   ├── RemoteUnavailableError      a git remote does not answer
│   ├── CacheUnavailableError       slower without it, that is all
│   ├── ConflictError               lost a race for rows: the same transaction may succeed at once
│   ├── StaleReadError              what was read has changed: it must be read again
│   ├── DeadlineExceededError       it took too long and was killed: a busy machine, perhaps
│   └── CircuitOpenError            a dependency that kept failing is left alone for a while
├── PermanentError              never tried again: somebody has to act
│   ├── BadInputError               what was asked for cannot be done
│   │   ├── SourceNotFoundError
│   │   ├── RefNotFoundError
│   │   ├── UrlForbiddenError
│   │   ├── NothingToIndexError
│   │   └── UnknownRepositoryError
│   ├── RunCancelledError           a person wants none of it any more
│   ├── ConfigurationError          settings, versions or permissions are wrong
│   └── ParseError                  one file cannot be parsed
│       ├── ParseTimeoutError
│       ├── ParserCrashedError
│       ├── FileBudgetError         all attempts together took too long
│       └── WorkerDeathError        whoever had it in hand died
├── DegradedError               the work goes on without this part
│   ├── EncoderUnavailableError     no model, no memory: chunks land without vectors
│   └── EmbeddingError              this text gives no usable vector
└── LeaseLostError              another worker owns the work now: stop and write nothing

A driver's exception is translated where it is caught (`raise … from exc`); outside those edges
only this tree travels. The first line of an error's docstring is its message when none is given.

Messages end up in the database, in logs and on screens, so they are scrubbed where they are made.
"""

from typing import ClassVar

from config.scrub import scrub

EXIT_DONE = 0
EXIT_FINISHED_WITH_FAILURES = 1
EXIT_COULD_NOT_RUN = 2
EXIT_DEPENDENCY_DOWN = 3


class MnemoError(Exception):
    """Something went wrong."""

    exit_code: ClassVar[int] = EXIT_COULD_NOT_RUN

    def __init__(self, message: str | None = None) -> None:
        super().__init__(scrub(message or (self.__doc__ or "").partition("\n")[0]))


class TransientError(MnemoError):
    """A passing fault: the same work may succeed later."""

    exit_code = EXIT_DEPENDENCY_DOWN


class DatabaseUnavailableError(TransientError):
    """PostgreSQL does not answer."""


class DatabaseFullError(DatabaseUnavailableError):
    """PostgreSQL's disk is full."""


class BrokerUnavailableError(TransientError):
    """The message broker does not answer."""


class RemoteUnavailableError(TransientError):
    """The git remote does not answer."""


class CacheUnavailableError(TransientError):
    """The cache of query vectors does not answer."""


class ConflictError(TransientError):
    """Another transaction had the same rows: deadlock, serialization failure or lock timeout."""


class StaleReadError(TransientError):
    """What this work was made from has changed meanwhile: it must be read again."""


class DeadlineExceededError(TransientError):
    """It took longer than its limit and was ended.

    Transient, because time depends on what else the machine does: whoever tries again counts.
    `operation` names the limit (`config/timeouts.py`), `seconds` is what it allowed.
    """

    def __init__(
        self, message: str | None = None, *, operation: str = "", seconds: float = 0.0
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.seconds = seconds


class CircuitOpenError(TransientError):
    """A dependency kept failing and is left alone for a while.

    `after` says for how many seconds more; `breaker` names the dependency.
    """

    def __init__(
        self, message: str | None = None, *, breaker: str = "", after: float = 0.0
    ) -> None:
        super().__init__(message)
        self.breaker = breaker
        self.after = after


class PermanentError(MnemoError):
    """Trying again cannot help."""


class BadInputError(PermanentError):
    """What was asked for cannot be done."""


class SourceNotFoundError(BadInputError):
    """There is no such file, folder or repository."""


class RefNotFoundError(BadInputError):
    """The repository has no such branch, tag or commit."""


class UrlForbiddenError(BadInputError):
    """This URL may not be fetched."""


class NothingToIndexError(BadInputError):
    """The source holds no file that can be indexed."""


class UnknownRepositoryError(BadInputError):
    """No repository of this name is indexed."""


class RunCancelledError(PermanentError):
    """Somebody cancelled this run."""


class ConfigurationError(PermanentError):
    """The settings or the installation are wrong."""


class ParseError(PermanentError):
    """This file cannot be parsed."""


class ParseTimeoutError(ParseError):
    """Parsing took longer than its limit."""


class ParserCrashedError(ParseError):
    """The parser process died on this file."""


class FileBudgetError(ParseError):
    """All attempts at this file together took longer than its budget."""


class WorkerDeathError(ParseError):
    """Workers died with this file in hand."""


class DegradedError(MnemoError):
    """A part is missing; the rest goes on."""


class EncoderUnavailableError(DegradedError):
    """The embedding model cannot be used."""

    exit_code = EXIT_DEPENDENCY_DOWN


class EmbeddingError(DegradedError):
    """This text gives no usable vector."""


class LeaseLostError(MnemoError):
    """The lease on this batch has passed to another worker."""
