"""Ties a child's life to ours, so that nothing survives a supervisor that is killed.

Linux only (`PR_SET_PDEATHSIG`, prctl(2)); elsewhere the child lives on until it is stopped.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # linux/prctl.h

# Looked up here, because a lookup between fork and exec could wait for a lock held in the parent.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def die_with_parent(number: signal.Signals, *, nice: int = 0) -> Callable[[], None]:
    """What a child does between fork and exec: takes `number` when the parent *thread* ends.

    Args:
        number: the signal that the kernel sends.
        nice: added to the child's niceness.
    """
    parent = os.getpid()

    def prepare() -> None:
        if nice:
            os.nice(nice)
        if _prctl is not None:
            _prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
            if os.getppid() != parent:  # it died before the tie was made
                os._exit(1)

    return prepare
