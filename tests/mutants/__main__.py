"""``make mutants``: draw mutants, run them, print what survived, and write docs/mutants.md."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock

from mutants import report
from mutants.operators import Mutant, mutants
from mutants.plan import MODULES, ROOT, sample_size, suite
from mutants.runner import Verdict, copy_of_checkout, digest, judge, known, record, run


def draw(module: str, seed: int, factor: float) -> tuple[list[Mutant], int]:
    """The mutants of a module that a seed chooses, and how many there are."""
    every = mutants(module, (ROOT / "rkbs" / module).read_text())
    ranked = sorted(every, key=lambda mutant: mutant.rank(seed))
    return ranked[: round(factor * sample_size(module))], len(every)


def settled(mutant: Mutant) -> Verdict | None:
    """A recorded verdict on these very sources."""
    found = known(mutant)
    return found if found and found.digest == digest(mutant.module, found.by) else None


@dataclass
class Baseline:
    """Seconds that tests take on unchanged sources, where they must pass: each set once."""

    seconds: dict[str, float] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def limit(self, module: str, folder: Path) -> float:
        """Seconds after which a mutant has met an endless loop; two other processes may be busy."""
        files = suite(module)
        with self.lock:
            if str(files) not in self.seconds:
                started = time.monotonic()
                status, by = run(folder, files, 1800)
                if status != "survived":
                    raise SystemExit(f"{by or files} fails without a mutant: mend it first")
                self.seconds[str(files)] = time.monotonic() - started
        return 60 + 4 * self.seconds[str(files)]


def run_all(todo: list[Mutant], jobs: int, seconds: float) -> None:
    """Judge mutants on ``jobs`` processes, each in its own copy; every verdict is kept at once."""
    waiting, baseline, end = SimpleQueue(), Baseline(), time.monotonic() + seconds
    for mutant in todo:
        waiting.put(mutant)

    def work() -> None:
        with copy_of_checkout() as folder, contextlib.suppress(Empty):
            while time.monotonic() < end:
                mutant = waiting.get_nowait()
                verdict = judge(mutant, folder, baseline.limit(mutant.module, folder))
                record(verdict)
                print(report.line(mutant, verdict), flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for done in [pool.submit(work) for _ in range(jobs)]:
                done.result()
        except BaseException:
            with contextlib.suppress(Empty):  # the others stop after their mutant
                while True:
                    waiting.get_nowait()
            raise


def main() -> None:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="patterns, such as 'solvers/*'; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--factor", type=float, default=1.0, help="of the sizes of the samples")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then stop; resumable")
    parser.add_argument("--fresh", action="store_true", help="forget what was recorded")
    options = parser.parse_args()
    patterns = options.modules or ["*"]
    chosen = [m for m in MODULES if any(fnmatchcase(m, pattern) for pattern in patterns)]
    drawn = {module: draw(module, options.seed, options.factor) for module in chosen}
    every = [mutant for sample, _ in drawn.values() for mutant in sample]
    todo = [m for m in every if options.fresh or not settled(m)]
    print(f"{len(every)} mutants of {len(chosen)} modules, {len(todo)} of them to run")
    if todo:
        run_all(todo, options.jobs, 60 * options.minutes)
    verdicts = {mutant.id: settled(mutant) for mutant in every}
    text, unjudged = report.page(drawn, verdicts, options.seed)
    print(text)
    complete = all(verdicts.values())
    if complete and chosen == list(MODULES) and options.factor == 1 and options.seed == 0:
        report.PAGE.write_text(text)
    sys.exit(bool(unjudged) or not complete)


if __name__ == "__main__":
    main()
