"""Figures are drawn from records: ``python -m verify.harness.figures [claim ids]``.

The figure of the claim ``topic.name`` is drawn by ``figures/claims/topic/name.py`` to ``.pdf`` and
``.png`` beside it. The script computes nothing. It defines

``RECORDS``
    the ids of the claims whose records it draws;
``CAPTION``
    in plain words, what is drawn, what the limit is, and what to see;
``draw(found)``
    the figure of what was found: ``found`` holds the evidence of each of these records, by id.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verify.harness.evidence import Evidence, Verdict
from verify.harness.ledger import Claim, load_claims
from verify.harness.options import a_folder
from verify.harness.paths import REFERENCE, ROOT
from verify.harness.records import accepted
from verify.harness.terminal import quiet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCRIPTS = ROOT / "figures" / "claims"


@dataclass(frozen=True)
class Script:
    """What a figure's script defines."""

    records: tuple[str, ...]
    caption: str
    draw: Callable[[Mapping[str, Evidence]], Figure]


@dataclass(frozen=True)
class Picture:
    """A figure that has been drawn."""

    path: Path
    caption: str


def place(folder: Path, figure: str, suffix: str) -> Path:
    """Where a figure's script or picture is under a folder: ``topic/name`` with a suffix."""
    topic, _, name = figure.partition(".")
    return folder / topic / f"{name}{suffix}"


def load_script(figure: str, scripts: Path = SCRIPTS) -> Script:
    """Import the script of a figure; any error of its own goes through."""
    path = place(scripts, figure, ".py")
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: {figure} says that it has a figure")
    spec = importlib.util.spec_from_file_location(f"figures.claims.{figure}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Script(module.RECORDS, module.CAPTION, module.draw)


def bound(evidence: Evidence, name: str) -> float:
    """The bound of the check or counterexample of this name, for figures that draw it."""
    checks = {check.name: check for check in (*evidence.checks, *evidence.counterexamples)}
    if name not in checks:
        raise KeyError(f"no check {name!r}; there are {', '.join(map(repr, checks))}")
    return checks[name].bound


def figures_of(claims: Iterable[Claim]) -> list[str]:
    """The ids of the figures that show some claims, each once."""
    return list(dict.fromkeys(claim.figure for claim in claims if claim.figure))


def pictures(figures: Iterable[str], folder: Path, scripts: Path = SCRIPTS) -> dict[str, Picture]:
    """The figures that have been drawn to a folder, by id; none whose script fails."""
    found = {}
    for figure in figures:
        path = place(folder, figure, ".png")
        if path.exists():
            try:
                found[figure] = Picture(path, load_script(figure, scripts).caption)
            except Exception:
                continue  # drawing it tells what is wrong; what an earlier run drew is old
    return found


def draw_figures(
    figures: Iterable[str], records: Path, out: Path, scripts: Path = SCRIPTS
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Draw ``<out>/topic/name.pdf`` and ``.png`` of each figure from the records in a folder.

    Returns
    -------
    lacking : dict
        By figure that was not drawn, the claims it reads that have no computed record. A record
        that is refused is none.
    errors : dict
        By figure, what went wrong.
    """
    lacking, errors = {}, {}
    for figure in figures:
        try:
            missing = _draw(figure, records, out, scripts)
        except Exception:
            # Any error of a figure's script is that figure's alone.
            errors[figure] = traceback.format_exc()
        else:
            if missing:
                lacking[figure] = missing
    return lacking, errors


def _draw(figure: str, records: Path, out: Path, scripts: Path) -> list[str]:
    """Draw one figure, or return the claims that lack a record for it."""
    script = load_script(figure, scripts)
    known, _ = accepted(script.records, records)
    computed = {name for name, record in known.items() if record.verdict is not Verdict.SKIPPED}
    missing = [name for name in script.records if name not in computed]
    if missing:
        return missing
    from rkbs import plotting  # imports matplotlib, which a run without figures does not need

    stem = place(out, figure, "")
    stem.parent.mkdir(parents=True, exist_ok=True)
    with plotting.style():
        drawn = script.draw({name: record.evidence for name, record in known.items()})
    plotting.save(drawn, stem)
    return []


@quiet
def main(argv: Sequence[str] | None = None) -> int:
    """Draw the figures whose records are there; status 1 if any fails, or a record is refused."""
    parser = argparse.ArgumentParser("python -m verify.harness.figures", description=main.__doc__)
    parser.add_argument(
        "claims", nargs="*", metavar="claim", help="default: all that have a figure"
    )
    parser.add_argument("--records", type=a_folder, default=REFERENCE, metavar="DIR")
    parser.add_argument("--out", type=a_folder, default=SCRIPTS, metavar="DIR")
    options = parser.parse_args(argv)
    claims = load_claims()
    unknown = [name for name in options.claims if name not in claims]
    if unknown:
        parser.error(f"unknown claim: {', '.join(unknown)}; known: {', '.join(claims)}")
    chosen = [claims[name] for name in dict.fromkeys(options.claims)] or [*claims.values()]
    for claim in chosen:
        if claim.no_figure and options.claims:
            print(f"{claim.id}: has no figure: {claim.no_figure}")
    read = {claim.id: None for claim in chosen}
    errors: dict[str, str] = {}
    for figure in figures_of(chosen):
        lacking, failed = draw_figures([figure], options.records, options.out)
        errors |= failed
        if figure in lacking:
            read |= dict.fromkeys(lacking[figure])
            print(f"{figure}: not drawn, no record of {', '.join(lacking[figure])}")
        else:
            print(f"{figure}: {'error' if failed else 'drawn'}")
    for figure, error in errors.items():
        print(f"\n{figure}:\n{error}", file=sys.stderr)
    _, refused = accepted(read, options.records)
    for reason in refused.values():
        print(reason, file=sys.stderr)
    return 1 if errors or refused else 0


if __name__ == "__main__":
    raise SystemExit(main())
