"""``python -m verify``: see ``--help``."""

from verify.runner import main

if __name__ == "__main__":
    raise SystemExit(main())
