"""`python -m pipeline.tether PARENT COMMAND ...` -> the command in this process, told to stop when its parent dies.

A process killed with -9 cannot end its children; on Linux the kernel does it for them. Elsewhere only the scheduler
notices that its parent is gone.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(words: list[str]) -> int:
    """Become the command; returns 1 when the parent is gone already."""
    parent, command = int(words[0]), words[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 1
    os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
