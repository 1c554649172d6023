"""`python -m pipeline.tether PARENT COMMAND ...` -> the command in this process, told to stop when its parent dies.

A process killed with -9 cannot end its children; on Linux the kernel does it for them. Elsewhere only the scheduler
notices that its parent is gone.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1


def main(words: list[str]) -> int:
    """Become the command; returns 1 when the parent is gone already."""
    parent, command = int(words[0]), words[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 1
    os.execv(command[0], command)


def end_with(parent: int) -> None:
    """Have this process killed as soon as `parent`, the process that made it to work for it, is gone.

    Elsewhere than on Linux a thread waits for that; it keeps modules to the very end, of which some complain.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_wait_and_end, daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
