"""The one error tree. The class decides what happens next; nobody inspects messages.

MnemoError
├── TransientError              try again later: the ledger reschedules the work
│   ├── DatabaseUnavailableError
│   ├── BrokerUnavailableError
│   ├── RemoteUnavailableError      a git remote does not answer
│   ├── CacheUnavailableError       slower without it, that is all
│   ├── ConflictError               deadlock or serialization failure
│   └── CircuitOpenError            a dependency that kept failing is left alone for a while
├── PermanentError              never tried again: somebody has to act
│   ├── BadInputError               what was asked for cannot be done
│   │   ├── SourceNotFoundError
│   │   ├── RefNotFoundError
│   │   ├── UrlForbiddenError
│   │   ├── NothingToIndexError
│   │   └── UnknownRepositoryError
│   ├── ConfigurationError          settings, versions or permissions are wrong
│   └── ParseError                  one file cannot be parsed
│       ├── ParseTimeoutError
│       ├── ParserCrashedError
│       └── WorkerDeathError        whoever had it in hand died
├── DegradedError               the work goes on without this part
│   ├── EncoderUnavailableError     no model, no memory: chunks land without vectors
│   └── EmbeddingError              this text gives no usable vector
└── LeaseLostError              another worker owns the work now: stop and write nothing

A driver's exception is translated where it is caught (`raise … from exc`); outside those edges
only this tree travels. The first line of an error's docstring is its message when none is given.
"""

from typing import ClassVar

EXIT_DONE = 0
EXIT_FINISHED_WITH_FAILURES = 1
EXIT_COULD_NOT_RUN = 2
EXIT_DEPENDENCY_DOWN = 3


class MnemoError(Exception):
    """Something went wrong."""

    exit_code: ClassVar[int] = EXIT_COULD_NOT_RUN

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0])


class TransientError(MnemoError):
    """A passing fault: the same work may succeed later."""

    exit_code = EXIT_DEPENDENCY_DOWN


class DatabaseUnavailableError(TransientError):
    """PostgreSQL does not answer."""


class BrokerUnavailableError(TransientError):
    """The message broker does not answer."""


class RemoteUnavailableError(TransientError):
    """The git remote does not answer."""


class CacheUnavailableError(TransientError):
    """The cache of query vectors does not answer."""


class ConflictError(TransientError):
    """Another transaction touched the same rows: deadlock or serialization failure."""


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


class ConfigurationError(PermanentError):
    """The settings or the installation are wrong."""


class ParseError(PermanentError):
    """This file cannot be parsed."""


class ParseTimeoutError(ParseError):
    """Parsing took longer than its limit."""


class ParserCrashedError(ParseError):
    """The parser process died on this file."""


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
