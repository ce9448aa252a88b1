"""What the audit says of heads' dimensions, put to the test: cut by it, and grown by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies import resized_again, resized_heads
from verify.studies.declared import digest
from verify.studies.resized_again import AGAIN, at_rest
from verify.studies.resized_heads import DECLARED, differences, judged, of

Results = Sequence[Mapping[str, Any]]
CUT, CUT_FURTHER, GROWN = "cut, slack 0", "cut, slack -4", "grow, 20"
FREE = DECLARED["free"]
SHORT_TASK = "reversal"
"""Of quick runs: its heads are near enough to rest for a cut after few iterations, of any seed."""
CONDITION = (
    "the decay stands in the objective and training has come to rest, ‖∂J‖ ≤ 0.1 ‖λ w‖; a cut is "
    "compared with pruning of rows by size, equal ranks or other heads, not with SVD over all "
    "heads at once or the largest entries of the maps; and of growth the first-order change is "
    "asked, not what further training of all weights makes of it"
)


def soundness(results: Results, again: Results) -> tuple[Check, ...]:
    """That all runs count, that the models have learned, and that C is right."""
    stray = sum(result["declared"] != digest(DECLARED) for result in results)
    stray += sum(result["declared"] != digest(AGAIN) for result in again)
    left = greatest(r["after"] / r["before"] for r in (*results, *again) if r["for"] == "cut")
    apart = greatest(r["apart"] for r in results if "apart" in r)
    off = greatest(abs(r["slope"] / r["predicted"] - 1) for r in results if "slope" in r)
    return (
        Check("runs of another declaration", stray, "==", 0),
        Check("cut: loss after training, by that before, largest", left, "<=", DECLARED["learned"]),
        # Of sums of some hundred products.
        Check("grown: σ_1(R)/λ of the audit and of the rows, apart, largest", apart, "<=", 1e-8),
        # Of two values of the objective, without a gradient.
        Check("grown: slope in a² by −Σ(σ − λ), less 1, largest", off, "<=", DECLARED["slope"]),
    )


def predicts(results: Results) -> tuple[Check, ...]:
    """Of a quick run: the cut is free, and others are not."""
    cut = of(results, "cut", "coupled")
    return (
        _free("cut to certified ranks", cut),
        *(
            Check(
                f"{CUT}: audit − {other}, largest", greatest(differences(cut, CUT, other)), "<", 0
            )
            for other in DECLARED["less than"]["coupled"][CUT]
        ),
    )


def at_rest_predicts(results: Results, again: Results) -> tuple[Check, ...]:
    """Of all models at rest: the cut is free; and of the new ones, others are not."""
    checks = [
        _free("at rest, cut to certified ranks", at_rest(of(results, "cut", "coupled"))),
        _free("again, at rest, cut to certified ranks", at_rest(again)),
    ]
    for row in resized_again.judged(again):
        name = f"again, at rest, {CUT}: p that the audit loses no less than {row['name']}"
        p = row["p"] if row["less"] > row["more"] else 1.0
        checks.append(Check(name, p, "<", AGAIN["level"]))
    return tuple(checks)


def _free(name: str, cut: Results) -> Check:
    rise = greatest([result["losses"][CUT]["audit"] for result in cut])
    return Check(f"{name}: rise of the loss, largest", rise, "<=", FREE)


def rivals(results: Results, again: Results) -> tuple[Check, ...]:
    """The counterexamples: ways without a gradient that lose no more."""
    cut = [*of(results, "cut", "coupled"), *at_rest(again)]
    return tuple(
        Check(f"{CUT}: audit − {other}, least", least(differences(cut, CUT, other)), ">=", -FREE)
        for other in DECLARED["not less than"]["coupled"][CUT]
    )


def limits(results: Results) -> tuple[Check, ...]:
    """More counterexamples: short of rest, after AdamW, and after further training."""
    cut, decoupled = of(results, "cut", "coupled"), of(results, "cut", "AdamW")
    grown = of(results, "grow", "coupled")
    rise = greatest(result["losses"][CUT]["audit"] for result in cut)
    kept = [rank / result["dimension"] for result in decoupled for rank in result["ranks"]]
    # Expected below, and to be less: what was declared of both did not come true.
    checks = [Check("cut to certified ranks, not all at rest: rise, largest", rise, ">", FREE)]
    checks += [
        Check(
            f"{GROWN}: audit − {other}, least", least(differences(grown, GROWN, other)), ">=", -FREE
        )
        for other in DECLARED["less than"]["coupled"][GROWN]
    ]
    checks += [
        Check(
            f"AdamW: {CUT_FURTHER}: audit − {other}, mean",
            _mean(differences(decoupled, CUT_FURTHER, other)),
            ">=",
            -FREE,
        )
        for other in DECLARED["not less than"]["AdamW"][CUT_FURTHER]
    ]
    return (
        *checks,
        Check("AdamW: certified rank by d, mean", _mean(kept), ">=", DECLARED["AdamW kept"]),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


WAYS = {
    "cut": (
        "audit",
        "SVD over heads",
        "weighted SVD over heads",
        "entries by size",
        "even SVD",
        "rows by size",
        "ranks shuffled",
    ),
    "grow": ("audit", "random directions", "every head", "every head, random directions"),
}
"""Columns of the losses in a record: rises by cutting, and by growing, against no new rows."""
LOSSES = {CUT, "cut, slack -1", CUT_FURTHER, "cut, slack -6", GROWN, "grow, 100"}
"""What a record has of them."""


def kept(result: Mapping[str, Any]) -> dict[str, Any]:
    """A model as a record keeps it."""
    names = ("for", "task", "training", "seed", "ranks", "grown")
    found = {name: result[name] for name in names if name in result}
    measured = ("after", *(["rest"] if result["training"] == "coupled" else []))
    losses = {}
    for where in sorted(LOSSES & result["losses"].keys()):
        table = result["losses"][where]
        changes = [table[way] - table.get("none", 0.0) for way in WAYS[result["for"]]]
        losses[where] = drawn([x if abs(x) > DECLARED["tie"] else 0.0 for x in changes], 3)
    return found | {name: drawn(result[name]) for name in measured} | {"losses": losses}


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison as a record keeps it."""
    intervals = {task: drawn(both, 3) for task, both in row.get("intervals", {}).items()}
    return {**row, **({"intervals": intervals} if intervals else {})}


@claim(
    title="What the audit of a trained model predicts",
    origin="ours",
    finding={
        Verdict.HOLDS: "Cut to certified ranks, heads lose nothing, and no way does as well.",
        Verdict.HOLDS_IF: "Heads at rest are cut to certified ranks for nothing; SVD over all "
        "heads finds ranks as good, after AdamW better ones, and growing gains little.",
    },
    statement="The audit tells which heads' dimension is spare and which is starved: at the ranks "
    "that it certifies heads lose nothing, and less than by pruning of rows by size and by SVD at "
    "the same total rank; and rows along the directions that it names lower the objective more "
    "than as many rows elsewhere, also after further training",
    source="theory §6, Theorem D",
    method="Small Transformers on three tasks whose expected loss is known, trained with λ in the "
    "objective by Adam and L-BFGS, and by AdamW on minibatches. Heads cut to certified ranks plus "
    "a slack, against, at the same total rank: SVD of each head to the same rank, the largest "
    "singular values of all heads, of M and of Σ^½ M Σ^½, the largest rows, the largest entries of "
    "W_Q and W_K, and the certified ranks shuffled among heads. Heads of dimension 1 grown by as "
    "many rows as there are heads, along the certificates' directions where σ − λ is largest, "
    "against random directions and against a row for each head, with the same training after it. "
    "Signed ranks over models, Holm. The slope of the objective by two of its values. What the "
    "first models suggested, that rest decides, was declared anew and tested on others",
    scope="three tasks (counting, recall, reversal), an encoder, a decoder and both, d_model 16, "
    "2 heads a layer, d = 8 and 1, two trainings, four seeds: 48 models, and 12 of other "
    "seeds. Quick: two models",
)
def pruning(run: Run) -> Evidence:
    """All models, cut or grown in all ways."""
    short = resized_heads.configurations(True, run.seed)
    cells = run.pick(
        quick=[cell | {"task": SHORT_TASK} for cell in short], full=resized_heads.configurations()
    )
    results, again = sweep(run, resized_heads.work, cells, "deep.pruning"), []
    if run.pick(quick=False, full=True):
        again = sweep(run, resized_again.work, resized_again.configurations(), "deep.pruning/again")
    checks = at_rest_predicts(results, again) if again else predicts(results)
    return Evidence(
        checks=(*soundness(results, again), *checks),
        counterexamples=(*rivals(results, again), *(limits(results) if again else ())),
        condition=CONDITION,
        data={
            "declared": [digest(DECLARED), digest(AGAIN)],
            "at rest": AGAIN["rest"],
            "ways": {purpose: list(ways) for purpose, ways in WAYS.items()},
            "models": [kept(result) for result in results],
            "again": [kept(result) for result in again],
            "comparisons": [told(row) for row in judged(results)] if again else [],
            "comparisons again": resized_again.judged(again) if again else [],
        },
    )
