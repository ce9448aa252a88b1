"""``python -m verify``: see ``--help``."""

from verify.harness.runner import main

if __name__ == "__main__":
    try:
        status = main()
    except KeyboardInterrupt:  # before the first claim has begun
        print("Interrupted: nothing was computed yet.")
        status = 130
    raise SystemExit(status)
