"""How every command line of the verification ends."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def quiet(main: Callable[..., int]) -> Callable[..., int]:
    """A command line that ends without a word when nobody reads its output any more.

    ``command | head -1`` is no error: the status is then that of a process ended by SIGPIPE.
    """

    @functools.wraps(main)
    def run(*args: Any, **options: Any) -> int:
        try:
            try:
                return main(*args, **options)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
        except BrokenPipeError:
            # What is still buffered would be written, and fail, once more when Python ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):
                os.dup2(nowhere, stream.fileno())
            return 128 + signal.SIGPIPE

    return run
