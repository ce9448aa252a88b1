"""Figures are drawn from records: ``python -m verify.figures`` redraws ``figures/*.pdf, *.png``.

A script ``figures/<stem>.py`` defines ``draw(folder: Path) -> matplotlib.figure.Figure``, which
reads the records it needs with ``verify.ledger.load_record(claim_id, folder)``.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from verify.harness.evidence import Verdict
from verify.harness.ledger import Claim, load_claims
from verify.harness.options import a_folder
from verify.harness.paths import REFERENCE, ROOT
from verify.harness.records import accepted
from verify.harness.terminal import quiet

SCRIPTS = ROOT / "figures"


def missing_records(claims: Mapping[str, Claim], folder: Path) -> dict[str, list[str]]:
    """For each figure's stem, the claims it shows that have no computed record in the folder.

    A record that is refused is none.
    """
    records, _ = accepted((claim.id for claim in claims.values()), folder)
    missing: dict[str, list[str]] = {}
    for claim in claims.values():
        for stem in claim.figures:
            lacking = missing.setdefault(stem, [])
            if claim.id not in records or records[claim.id].verdict is Verdict.SKIPPED:
                lacking.append(claim.id)
    return missing


def draw_figures(
    stems: Iterable[str], records_folder: Path, out_folder: Path, scripts: Path = SCRIPTS
) -> dict[str, str]:
    """Draw ``<out_folder>/<stem>.pdf`` and ``.png``; return what went wrong, by stem."""
    errors = {}
    for stem in stems:
        script = scripts / f"{stem}.py"
        if not script.exists():
            errors[stem] = f"{script} does not exist"
            continue
        try:
            _draw(script, records_folder, out_folder)
        except Exception:
            # Any error of a figure's script is that figure's alone.
            errors[stem] = traceback.format_exc()
    return errors


def _draw(script: Path, records_folder: Path, out_folder: Path) -> None:
    from rkbs import plotting  # imports matplotlib, which a run without figures does not need

    spec = importlib.util.spec_from_file_location(f"figures.{script.stem}", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out_folder.mkdir(parents=True, exist_ok=True)
    with plotting.style():
        figure = module.draw(records_folder)
    plotting.save(figure, out_folder / script.stem)


@quiet
def main(argv: Sequence[str] | None = None) -> int:
    """Draw the figures whose records are there; status 1 if any fails, or a record is refused."""
    parser = argparse.ArgumentParser("python -m verify.figures", description=main.__doc__)
    parser.add_argument("stems", nargs="*", metavar="stem", help="default: every claim's figure")
    parser.add_argument("--records", type=a_folder, default=REFERENCE, metavar="DIR")
    parser.add_argument("--out", type=a_folder, default=SCRIPTS, metavar="DIR")
    options = parser.parse_args(argv)
    claims = load_claims()
    missing = missing_records(claims, options.records)
    unknown = [stem for stem in options.stems if stem not in missing]
    if unknown:
        parser.error(f"unknown figure: {', '.join(unknown)}; known: {', '.join(missing)}")
    stems = list(dict.fromkeys(options.stems)) or list(missing)
    needed = [name for name, claim in claims.items() if not {*claim.figures}.isdisjoint(stems)]
    _, refused = accepted(needed, options.records)
    errors: dict[str, str] = {}
    for stem in stems:
        if missing[stem]:
            print(f"{stem}: not drawn, no record of {', '.join(missing[stem])}")
            continue
        failed = draw_figures([stem], options.records, options.out)
        print(f"{stem}: {'error' if failed else 'drawn'}")
        errors |= failed
    for stem, error in errors.items():
        print(f"\nfigures/{stem}.py:\n{error}", file=sys.stderr)
    for reason in refused.values():
        print(reason, file=sys.stderr)
    return 1 if errors or refused else 0


if __name__ == "__main__":
    raise SystemExit(main())
