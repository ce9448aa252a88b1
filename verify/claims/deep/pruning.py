"""What the audit says of heads' dimensions, put to the test: cut by it, and grown by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies import resized_heads
from verify.studies.declared import digest
from verify.studies.resized_heads import DECLARED, differences, judged, of

Results = Sequence[Mapping[str, Any]]
_FREE = DECLARED["free"]
CONDITION = (
    "the decay stands in the objective, training has come near to rest, and what it is compared "
    "with is neither SVD over all heads at once nor the largest entries of the maps, which lose as "
    "little without a loss or a gradient"
)


def soundness(results: Results) -> tuple[Check, ...]:
    """That all runs count, that the models have learned, and that C is right."""
    stray = sum(result["declared"] != digest(DECLARED) for result in results)
    left = greatest(r["after"] / r["before"] for r in results if r["for"] == "cut")
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


def predicts(results: Results, rows: Sequence[Mapping[str, Any]]) -> tuple[Check, ...]:
    """What holds of coupled decay: the cut is free, and less than others; rows lower more."""
    cut, grown = of(results, "cut", "coupled"), of(results, "grow", "coupled")
    rise = greatest(result["losses"]["cut, slack 0"]["audit"] for result in cut)
    checks = [Check("cut to certified ranks: rise of the loss, largest", rise, "<=", _FREE)]
    if rows:
        mine = [row for row in rows if row["name"].startswith("coupled")]
        for row in mine:
            p = row["p"] if row["less"] > row["more"] else 1.0
            checks.append(
                Check(f"{row['name']}: p that the audit's loss is not less", p, "<", 0.05)
            )
        return tuple(checks)
    for other in DECLARED["less than"]["coupled"]["cut, slack 0"]:
        x = greatest(differences(cut, "cut, slack 0", other))
        checks.append(Check(f"cut, slack 0: audit − {other}, largest", x, "<", 0))
    x = greatest(differences(grown, "grow, 20", "none"))
    return (*checks, Check("grow, 20: audit − none, largest", x, "<", 0))


def rivals(results: Results) -> tuple[Check, ...]:
    """The counterexamples: simpler ways that lose no more, and AdamW, of which it says little."""
    said, cut = DECLARED["not less than"], of(results, "cut", "coupled")
    checks = [
        Check(
            f"cut, slack 0: audit − {other}, least",
            least(differences(cut, "cut, slack 0", other)),
            ">=",
            -_FREE,
        )
        for other in said["coupled"]["cut, slack 0"]
    ]
    decoupled = of(results, "cut", "AdamW")
    if not decoupled:
        return tuple(checks)
    kept = [rank / r["dimension"] for r in decoupled for rank in r["ranks"]]
    checks += [
        Check(
            f"AdamW: cut, slack -4: audit − {other}, mean",
            _mean(differences(decoupled, "cut, slack -4", other)),
            ">=",
            -_FREE,
        )
        for other in said["AdamW"]["cut, slack -4"]
    ]
    return (
        *checks,
        Check("AdamW: certified rank by d, mean", _mean(kept), ">=", DECLARED["AdamW kept"]),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def kept(result: Mapping[str, Any]) -> dict[str, Any]:
    """A model as a record keeps it."""
    found = {name: result[name] for name in ("for", "task", "training", "seed")}
    for name in ("ranks", "grown"):
        if name in result:
            found[name] = result[name]
    measured = ("before", "after", *(["rest"] if result["training"] == "coupled" else []))
    numbers = {name: drawn(result[name]) for name in measured}
    losses = {
        where: {way: drawn(x) for way, x in table.items()}
        for where, table in result["losses"].items()
    }
    return found | numbers | {"losses": losses}


@claim(
    title="What the audit of a trained model predicts",
    origin="ours",
    finding={
        Verdict.HOLDS: "Cut to certified ranks, heads lose nothing, and no other way does as well.",
        Verdict.HOLDS_IF: "Cut to their certified ranks, heads trained with coupled decay lose "
        "nothing, and rows along their certificates lower the loss more than others; SVD over all "
        "heads at once cuts as well, without a gradient, and after AdamW the audit tells next to "
        "nothing apart.",
    },
    statement="The audit tells which heads' dimension is spare and which is starved: at the ranks "
    "that it certifies heads lose nothing, and less than by pruning of rows by size and by SVD at "
    "the same total rank; and rows along the directions that it names lower the objective more "
    "than as many rows elsewhere",
    source="theory §6, Theorem D",
    method="Small Transformers on three tasks whose expected loss is known, trained with λ in the "
    "objective by Adam and L-BFGS, and by AdamW on minibatches. Heads cut to certified ranks plus "
    "a slack, against, at the same total rank: SVD of each head to the same rank, the largest "
    "singular values of all heads, of M and of Σ^½ M Σ^½, the largest rows, the largest entries of "
    "W_Q and W_K, and the certified ranks shuffled among heads. Heads of dimension 1 grown by as "
    "many rows as there are heads, along the certificates' directions where σ − λ is largest, "
    "against random directions and against a row for each head, with the same training after it. "
    "Signed ranks over models, Holm. The slope of the objective by two of its values",
    scope="three tasks (counting, recall, reversal), an encoder, a decoder and both, d_model 16, "
    "2 heads a layer, d = 8 and 1, four seeds, two trainings: 48 models. Quick: two models",
)
def pruning(run: Run) -> Evidence:
    """All models, cut or grown in all ways."""
    cells = run.pick(
        quick=resized_heads.configurations(True, run.seed), full=resized_heads.configurations()
    )
    results = sweep(run, resized_heads.work, cells, "deep.pruning")
    rows = run.pick(quick=lambda found: [], full=judged)(results)
    return Evidence(
        checks=(*soundness(results), *predicts(results, rows)),
        counterexamples=rivals(results),
        condition=CONDITION,
        data={
            "declared": digest(DECLARED),
            "models": [kept(result) for result in results],
            "comparisons": rows,
        },
    )
