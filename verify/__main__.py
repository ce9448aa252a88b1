"""``python -m verify``: see ``--help``."""

from verify.runner import INTERRUPTED, main
from verify.terminal import end_with


def run() -> int:
    """The command line, interrupted or not."""
    try:
        return main()
    except KeyboardInterrupt:  # before the first claim has begun
        print("Interrupted: nothing was computed yet.")
        return INTERRUPTED


if __name__ == "__main__":
    end_with(run)
