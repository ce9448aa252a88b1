"""The options of the command lines, each checked as it is read."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from verify.harness.run import PROFILES

_STATUSES = """\
exit status:
  0    every claim was computed and none is unconfirmed (with --compare: and each verdict is the
       recorded one); a claim that is skipped because its data set is missing does no harm
  1    a claim is unconfirmed (with --compare: has another verdict than recorded, or no record to
       compare with), or a claim or a figure ended in an error, or a claim needs a package that is
       not installed (with --missing: and was named by its id); --import refused a record
  2    the command line asks for what there is not
  3    --time-limit came before the end, whatever was found until then; finished claims are kept,
       and so are finished configurations of a sweep: the same command goes on from there
  130  interrupted; the same is kept, and the same command goes on from there
"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of ``python -m verify``."""
    parser = argparse.ArgumentParser(
        "python -m verify",
        description="Verify the claims of the paper; each is computed in a process of its own.",
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # a command that goes on is told without --fresh, which must be spelled
    )
    add = parser.add_argument
    add(
        "claims",
        nargs="*",
        type=a_name,
        metavar="claim",
        help="ids, prefixes or globs (default: all)",
    )
    add("--profile", choices=PROFILES, help="the sizes (default: quick; with --missing: full)")
    device = "auto: cuda if any; cuda: only claims that use it, and those named by their ids"
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help=device)
    missing = "only claims without a reference record of these sources and this kind of device"
    add("--missing", action="store_true", help=missing)
    limit = "so long after its start the command stops what runs, keeps what is finished, and ends"
    add("--time-limit", type=_positive, metavar="SECONDS", help=limit)
    add("--jobs", type=_positive, default=1, metavar="N", help="processes (default: 1)")
    where = "of a running dask.distributed scheduler: sweeps of many configurations go there"
    add("--scheduler", type=a_name, metavar="ADDRESS", help=where)
    add("--seed", type=_seed, default=0, metavar="S", help="of all random numbers (default: 0)")
    results = "default: build/verify/<profile>; full records are also in DIR/records.json"
    add("--results", type=a_path, metavar="DIR", help=results)
    add("--fresh", action="store_true", help="compute again what an earlier run has left")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--record", action="store_true", help="write the records to verify/results")
    end.add_argument("--compare", action="store_true", help="fail on verdicts not as recorded")
    end.add_argument("--list", action="store_true", help="list the claims and stop")
    merged = "save the records of a file, another machine's records.json, to verify/results"
    end.add_argument("--import", dest="merged", type=a_file, metavar="FILE", help=merged)
    return parser


def _positive(text: str) -> int:
    return _whole(text, at_least=1)


def _seed(text: str) -> int:
    return _whole(text, at_least=0)


def _whole(text: str, at_least: int) -> int:
    number = int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else None
    if number is None or number < at_least:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from {at_least} upwards, got {text!r}"
        )
    return number


def a_path(text: str) -> Path:
    """A command line's path; an empty string, as an unset variable leaves it, is none."""
    return Path(a_name(text))


def a_folder(text: str) -> Path:
    """A command line's folder, there or still to be made."""
    path = a_path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a file, where a folder is needed")
    return path


def a_file(text: str) -> Path:
    """A command line's file, which is there."""
    path = a_path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{path} is no file")
    return path


def a_name(text: str) -> str:
    """A command line's name of something, not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text
