"""Ties a child process to its parent from within, so that it does not outlive the parent.

Linux only (`PR_SET_PDEATHSIG`, prctl(2)). Apart from `workers/lifeline.py`, which ties a process
from without, before it runs any code: a child that is ours can do it itself, without the hazards of
code between fork and exec.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """Has the kernel kill this process when its parent *thread* ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the tie was made
            sys.exit(0)
