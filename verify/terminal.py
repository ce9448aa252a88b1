"""How every command line of the verification ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn


def end_with(main: Callable[[], int | None]) -> NoReturn:
    """Run a command line and exit with its status: quietly if nobody reads its output any more.

    ``command | head -1`` is no error: the status is then that of a process ended by SIGPIPE.
    """
    try:
        try:
            status = main()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    except BrokenPipeError:
        # What is still buffered would be written, and fail, once more when Python ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        status = 128 + signal.SIGPIPE
    raise SystemExit(status)
