"""Theorem 2 in a Transformer: an encoder block against its logits and against kernel machines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.block_contest import DIMS, WIDTHS, blocks, yardsticks
from verify.studies.contestants import KERNEL_MACHINES
from verify.studies.finite_sample import KINDS, Fit, Sample, interval
from verify.studies.targets import TARGETS

Row = dict[str, Any]
PLAIN = {"normalized": False, "centered": False}
SOFTMAX = {"normalized": True, "centered": True}
OBSTRUCTED = {"normalized": True, "centered": False}
FORMS = (PLAIN, SOFTMAX)
CORE = ("asymmetric", "kink", "waves_2d")
PAPER = ("edp", "rbf", "l2", "ei", "quadratic")
NEAR = 0.1
"""A tenth of ‖F‖ is what "comes near" means here: a hundredth of its square is left."""
NOISE, POINTS = 0.3, 20
"""Of the noisy pairs, as in ``thm2.finite_data``."""


def configurations(run: Run) -> list[Row]:
    """One for each surface, kernel and seed; a GPU adds surfaces, kernels and heads."""
    full, gpu = run.profile == "full", run.device != "cpu"
    names = tuple(TARGETS) if full and gpu else CORE if full else CORE[:1]
    common = {
        "dims": list(DIMS if full else (1, 4)),
        "widths": list(WIDTHS if full else WIDTHS[-1:]),
        "heads": [1, 2, 4, 8] if full and gpu else [1, 4],
        "steps": run.pick(600, 1500),
        "settings": list(FORMS),
    }
    kernels = PAPER if full and gpu else ("edp", "rbf") if full else ("edp",)
    return [
        {"target": name, "kernel": kernel, "seed": seed, **common}
        for name in names
        for kernel in kernels
        for seed in _seeds(run)
    ]


def _seeds(run: Run) -> range:
    return range(run.seed, run.seed + 3)


def obstructed(run: Run) -> list[Row]:
    """Softmax on surfaces with their row means left in, where it cannot come near."""
    some = {"dims": [4], "widths": [WIDTHS[-1]], "heads": [4], "settings": [OBSTRUCTED]}
    return [
        configuration | some
        for configuration in configurations(run)
        if configuration["kernel"] == "edp" and configuration["seed"] == run.seed
    ]


def noisy(run: Run) -> list[Row]:
    """Blocks on the noisy pairs of thm2.finite_data, a configuration for each surface."""
    names = CORE if run.profile == "full" else CORE[:1]
    heads = [("edp", 1), ("edp", 4), ("rbf", 4)] if run.profile == "full" else [("edp", 4)]
    seeds = list(_seeds(run)) if run.profile == "quick" else list(range(run.seed, run.seed + 5))
    common = {"seeds": seeds, "steps": run.pick(500, 1500), "blocks": [list(h) for h in heads]}
    return [{"target": name} | common for name in names]


def on_noisy_pairs(configuration: Row, device: str) -> Row:
    """Machines, two-tower logits and blocks on the same noisy pairs: a row for each and seed."""
    from verify.studies import trained_attention as trained
    from verify.studies.encoder_block import EncoderBlocks, Shape

    def build(kernel: str, heads: int, settings: Sequence[Any], budget: Any, *rest: Any) -> Any:
        seeds, dim, where = rest
        shapes = [Shape(setting.d, budget.width) for setting in settings]
        models = EncoderBlocks(
            kernel,
            heads,
            shapes,
            seeds,
            normalized=False,
            dim=dim,
            dtype=trained.DTYPE,
            device=where,
        )
        return models, models.surfaces

    name, seeds = configuration["target"], configuration["seeds"]
    samples = [Sample.draw(name, POINTS, NOISE, 1.0, seed) for seed in seeds]
    trainings = [sample.training for sample in samples]
    budget = trained.Budget(steps=configuration["steps"])
    fits: dict[str, list[Fit]] = {
        what: [machine(t) for t in trainings] for what, machine in KERNEL_MACHINES.items()
    }
    fits["two towers"] = trained.attention(trainings, budget, seeds[0], device)[0]
    for kernel, heads in configuration["blocks"]:
        models = partial(build, kernel, heads)
        found = trained.attention(trainings, budget, seeds[0], device, models)[0]
        fits[f"block, {kernel}, H = {heads}"] = found
    return {
        "rows": [
            {"target": name, "seed": seed, "what": what, "errors": sample.errors(fit.predict)}
            for what, contestant in fits.items()
            for seed, sample, fit in zip(seeds, samples, contestant, strict=True)
        ]
    }


def chosen(rows: Iterable[Row], **labels: Any) -> list[Row]:
    """The rows with these labels."""
    return [row for row in rows if all(row[key] == value for key, value in labels.items())]


def cells(rows: Sequence[Row]) -> list[Row]:
    """The surface, kernel and form of each comparison."""
    keys = ("target", "kernel", "normalized", "centered")
    found = dict.fromkeys(tuple(row[key] for key in keys) for row in rows)
    return [dict(zip(keys, cell, strict=True)) for cell in found]


def change(rows: Sequence[Row], key: str, much: int, little: int) -> dict[str, float]:
    """log error at ``much`` less that at ``little``, averaged over all else by seed."""
    seeds = sorted({row["seed"] for row in rows})
    logs = [
        np.mean([math.log(row["error"]) for row in chosen(rows, seed=seed, **{key: value})])
        for value in (much, little)
        for seed in seeds
    ]
    much_less_little = np.subtract(logs[: len(seeds)], logs[len(seeds) :])
    mean, low, high = (math.exp(x) for x in interval(much_less_little))
    return {"ratio": mean, "low": low, "high": high}


def comparisons(rows: Sequence[Row], rulers: Sequence[Row]) -> list[Row]:
    """For each surface, kernel and form: what heads and dimensions buy, and who is nearer."""
    most, few = max(r["d"] for r in rows), min(r["d"] for r in rows)
    found = []
    for cell in cells(rows):
        mine = chosen(rows, **cell)
        there = chosen(rulers, target=cell["target"], centered=cell["centered"])
        error = {
            what: least(r["error"] for r in chosen(there, what=what)) for what in KERNEL_MACHINES
        }
        floor = chosen(there, what="floor", d=few)[0]["error"]
        narrow = chosen(mine, d=few, heads=4)
        towers = [row for row in there if row["what"] == "two towers"]
        found.append(
            cell
            | {
                "heads": change(mine, "heads", 4, 1),
                "dimensions": change(chosen(mine, heads=1), "d", most, few),
                "best": least(row["error"] for row in mine),
                "at d = 1/floor": greatest(row["error"] for row in narrow) / floor,
                "best two towers": least(row["error"] for row in towers),
                **error,
            }
        )
    return found


def noisy_ratios(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Errors over those of ridge, over all kinds of test pairs and surfaces, paired by seed."""
    seeds = sorted({row["seed"] for row in rows})
    names = [what for what in dict.fromkeys(row["what"] for row in rows) if what != "ridge"]

    def logs(what: str, seed: int) -> float:
        mine = chosen(rows, what=what, seed=seed)
        return float(
            np.mean([math.log(r["errors"][k]) for r in mine for k in KINDS if k in r["errors"]])
        )

    found = {}
    for what in names:
        values = [logs(what, seed) - logs("ridge", seed) for seed in seeds]
        mean, low, high = (math.exp(x) for x in interval(values))
        found[what] = {"ratio": mean, "low": low, "high": high}
    return found


def checks(compared: Sequence[Row], ratios: dict[str, dict[str, float]]) -> tuple[Check, ...]:
    """Ratios against 1, as the statement says; intervals are Student's at 95 % over seeds."""
    blocked = [found for what, found in ratios.items() if what.startswith("block")]
    return (
        Check(
            "error at 4 heads/1 head, high end, largest",
            greatest(c["heads"]["high"] for c in compared),
            "<",
            1,
        ),
        Check(
            "one head: error at the largest d/at d = 1, high end, largest",
            greatest(c["dimensions"]["high"] for c in compared),
            "<",
            1,
        ),
        Check(
            "4 heads of d = 1: error/floor of a logit of d = 1, largest",
            greatest(c["at d = 1/floor"] for c in compared),
            "<",
            1,
        ),
        Check(
            "best block: error/‖F‖, largest over surfaces, kernels, forms",
            greatest(c["best"] for c in compared),
            "<=",
            NEAR,
        ),
        # The machine's problem is convex and solved to its certificate; the block's is neither.
        Check(
            "clean: best block/ridge, smallest",
            least(c["best"] / c["ridge"] for c in compared),
            ">",
            1,
        ),
        Check(
            "noisy pairs: block/ridge, high end, smallest",
            least(f["high"] for f in blocked),
            ">=",
            1,
        ),
    )


@claim(
    title="An encoder block with several heads comes near surfaces",
    origin="ours",
    finding={
        Verdict.HOLDS_IF: "Where row sums allow it, a trained block of four heads of dimension one "
        "passes the floor of its own logits; kernel ridge is nearer still.",
    },
    statement="One encoder block (feed-forward towers, cross-attention, W^O = (w_1 I … w_H I) "
    "and a bias), trained by Adam, comes within a tenth of ‖F‖ of each surface, nearer with four "
    "heads than with one, with one head nearer for larger d, and with heads of d = 1 below the "
    "floor of any logit of d = 1; kernel ridge comes nearer on the same tokens, and no block is "
    "ahead of it on noisy pairs by more than the interval over seeds",
    source="Theory §4, Proposition 2 and Theorem 2; several heads: thm2.multi_head",
    method="Uniform tokens; heads un-normalized on F, and through softmax on F less its row means "
    "(densities over the tokens); Adam, the same steps for blocks and two-tower logits; errors on "
    "a finer grid of tokens; floors by SVD there; ridge and nuclear norm on the same tables. "
    "Noisy pairs as in thm2.finite_data, un-normalized blocks, d and decay by held-out pairs. "
    "Intervals over three seeds (five on noisy pairs)",
    scope="three surfaces, EDP and RBF, 1 and 4 heads, d ≤ 8, widths 16 and 64, 1500 steps (quick: "
    "one surface, EDP, d ≤ 4, 600 steps; on a GPU all eight surfaces, the paper's five kernels, "
    "1 to 8 heads). An observation about Adam within these steps; that blocks approximate as "
    "well as one likes is thm2.multi_head and thm2.multi_head_softmax. That ridge comes nearer "
    "on noisy pairs, too, was asked first and is not shown: with EDP and four heads the interval "
    "of the ratio holds 1",
    on_device=True,
)
def transformer(run: Run) -> Evidence:
    """Surfaces with and without their row means, then noisy pairs."""
    trained = configurations(run)
    results = sweep(run, blocks, trained, "thm2.transformer")
    rows = [row for result in results for row in result["rows"]]
    rulers = [
        {key: c[key] for key in ("dims", "widths", "steps")}
        | {"target": c["target"], "seeds": list(_seeds(run))}
        for c in {c["target"]: c for c in trained}.values()
    ]
    measured = [
        row
        for result in sweep(run, yardsticks, rulers, "thm2.transformer/yardsticks")
        for row in result["rows"]
    ]
    stuck = [
        row
        for result in sweep(run, blocks, obstructed(run), "thm2.transformer/obstructed")
        for row in result["rows"]
    ]
    on_pairs = [
        row
        for result in sweep(run, on_noisy_pairs, noisy(run), "thm2.transformer/noisy")
        for row in result["rows"]
    ]
    compared, ratios = comparisons(rows, measured), noisy_ratios(on_pairs)
    parts = {
        row["target"]: row["error"] for row in chosen(measured, what="row part", centered=False)
    }
    # Softmax rows all have one mean, Σ w + b: what row means differ by is out of reach. The slack
    # is the rounding of float32 sums.
    reached = least(row["error"] / parts[row["target"]] for row in stuck)
    return Evidence(
        checks=checks(compared, ratios),
        counterexamples=(
            Check(
                "softmax, row means left in: error/what row means differ by",
                reached,
                ">=",
                1 - 1e-4,
            ),
        ),
        condition="the surface has constant row sums where heads are normalized (else its row "
        "means are out of reach of softmax); un-normalized heads need no condition",
        data={
            "rows": [row | {"error": drawn(row["error"], 6)} for row in rows],
            "yardsticks": measured,
            "obstructed": stuck,
            "row_parts": parts,
            "noisy": on_pairs,
            "compared": compared,
            "noisy_ratios": ratios,
            "formulas": {name: TARGETS[name].formula for name in {row["target"] for row in rows}},
        },
    )
