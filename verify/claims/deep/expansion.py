"""Heads of trained Transformers at stationary points: expansions over cross-domain pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.declared import digest
from verify.studies.deep_rows import checked, network_row
from verify.studies.deep_training import DECLARED, cell, condition_cells, main_cells, train

Rows = Sequence[Mapping[str, Any]]
WITH_FORM = ("unequal", "quartic", "tied", "shared keys", "decayed query bias", "maps alone")
"""Kinds of networks of which Theorem D holds, in a form of their own."""
AT_REST = (*WITH_FORM, "query bias", "rbf")
"""Those of which something is to hold, so that they must have come to rest."""
KEPT = ("balance", "UᵀR", "RV", "on rank", "ratio")
"""What a record has of each head after its residual."""


QUICK = {"plain": 2, "unequal": 2, "decoupled": 2, "practice": 2}
"""Kinds, and the dimension of their heads."""


def quick_cells(seed: int) -> list[dict[str, Any]]:
    """One network of one layer of some kinds."""
    return [cell(kind, "counting", 1, 2, d, 100 + seed) for kind, d in QUICK.items()]


def heads_of(rows: Rows, *kinds: str, part: str = "heads") -> list[dict[str, Any]]:
    """The heads of all networks of some kinds whose maps are not 0."""
    return [head for row in rows if row["kind"] in kinds for head in row[part] if head["rank"]]


def at_rest(rows: Rows) -> list[Mapping[str, Any]]:
    """The networks whose gradient is small enough."""
    return [row for row in rows if row["off"] <= DECLARED["stationary"]]


def soundness(results: Rows, rows: Rows, compared: Rows) -> tuple[Check, ...]:
    """That the runs count, the networks have learned, and that three ways to C agree."""
    stray = sum(result["declared"] != digest(DECLARED) for result in results)
    main = [row for row in rows if row["kind"] == "plain"]
    late = sum(not row["off"] <= DECLARED["stationary"] for row in main) / max(len(main), 1)
    # Sums of some hundred products of numbers up to 10, over λ.
    digits = DECLARED["digits"]
    return (
        Check("runs of another declaration", stray, "==", 0),
        Check("networks whose gradient is larger, share", late, "<=", DECLARED["not there"]),
        Check(
            "loss − entropy of the labels, largest",
            greatest(rows, key="excess"),
            "<=",
            DECLARED["learned"],
        ),
        *(
            Check(f"{name}: difference, largest", greatest(compared, key=name), "<=", digits)
            for name in ("loss", "gradient", "coefficients", "audit's residual", "audit's ratio")
        ),
    )


def expands(heads: Rows, of: str, wrong: bool = True) -> tuple[Check, ...]:
    """That all of Theorem D, a and b, is there."""
    said = DECLARED["holds"]
    checks = [
        Check(f"{of}: {name}, largest", greatest(heads, key=name), "<=", most)
        for name, most in said.items()
    ]
    # Of λ off by a twentieth the residual is 0.05/1.05.
    off = Check(f"{of}: expansion at 1.05 λ, least", least(heads, key="at 1.05 λ"), ">=", 0.04)
    return (*checks, off) if wrong else tuple(checks)


def conditions(every: Rows) -> tuple[Check, ...]:
    """What holds and what fails without each condition, of networks at rest."""
    said, rows = DECLARED["holds"], at_rest(every)
    asked = {row["kind"] for row in every if row["kind"] in AT_REST}
    missing = sum(not heads_of(rows, kind) for kind in asked)
    checks = [Check("kinds of which no network is at rest", missing, "==", 0)]
    for kind in (kind for kind in WITH_FORM if kind != "tied" and heads_of(rows, kind)):
        checks += expands(heads_of(rows, kind), kind)
    if heads := heads_of(rows, "unequal"):
        checks.append(fails("unequal: plain balance", heads, "plain balance"))
    if heads := heads_of(rows, "query bias"):
        checks += [
            Check(f"query bias: {name}, largest", greatest(heads, key=name), "<=", said[of])
            for name, of in (
                ("query half", "expansion"),
                ("balance", "balance"),
                ("RV", "RV"),
            )
        ]
        checks += [fails(f"query bias: {name}", heads, name) for name in ("key half", "UᵀR")]
    for kind in ("decayed query bias", "shared keys"):
        if heads := heads_of(rows, kind, part="as two maps"):
            checks.append(fails(f"{kind}, as free maps without: expansion", heads, "best"))
    if heads := heads_of(rows, "tied"):
        most = greatest(heads, key="tied")
        checks.append(Check("tied: λW − W(C + Cᵀ), largest", most, "<=", said["expansion"]))
        checks.append(fails("tied, as free maps: expansion", heads, "best"))
    if heads := heads_of(rows, "rbf"):
        with_norms = greatest(heads, key="key half with norms")
        checks += [
            Check(
                "rbf: query half, largest",
                greatest(heads, key="query half"),
                "<=",
                said["expansion"],
            ),
            fails("rbf: key half", heads, "key half"),
            Check("rbf: key half with ‖k‖², largest", with_norms, "<=", said["expansion"]),
        ]
    return tuple(checks)


def fails(name: str, heads: Rows, key: str) -> Check:
    """That something is off in some head by far more than where it holds."""
    return Check(f"{name}, largest", greatest(heads, key=key), ">=", DECLARED["broken"])


def decoupled(rows: Rows) -> tuple[Check, ...]:
    """That of AdamW's end nothing is left, and how far off ordinary training is."""
    checks: list[Check] = []
    for kind in ("decoupled", "practice"):
        if heads := heads_of(rows, kind):
            checks += [
                Check(f"{kind}: {name}, least", least(heads, key=name), ">=", most)
                for name, most in DECLARED["adamw"].items()
            ]
    if heads := heads_of(rows, "practice"):
        most = greatest(heads_of(at_rest(rows), "plain"), key="expansion")
        factor = least(heads, key="best") / most
        checks.append(
            Check("practice: least over largest at rest", factor, ">=", DECLARED["practice"])
        )
    return tuple(checks)


def norms(rows: Rows) -> tuple[Check, ...]:
    """LayerNorm with PyTorch's ε: after the same training no gradient is small."""
    trapped = [row for row in rows if row["kind"] == "small eps"]
    if not trapped:
        return ()
    return (
        Check(
            "small ε: gradient over decay's, least",
            least(trapped, key="off"),
            ">=",
            DECLARED["trapped"],
        ),
    )


@claim(
    title="Trained heads are expansions over cross-domain pairs",
    origin="ours",
    finding={
        Verdict.HOLDS: "Networks at rest: every head is an expansion over pairs, with "
        "backpropagation's coefficients. Without its conditions, and after AdamW, none is near.",
    },
    statement="At a stationary point of loss + (λ_Q/2)‖W_Q‖² + (λ_K/2)‖W_K‖² every head has λ_Q "
    "W_Qᵀ = C W_Kᵀ, λ_K W_K = W_Q C, balance, and C = λUVᵀ + R with R ⟂ U, V; each condition of "
    "this is one without which it fails",
    source="Theorem D of theory §6; Theorem 1 of Wright & Gonzalez (2021) for the form",
    method="Transformers in plain numpy trained by Adam, L-BFGS and Newton's method to a relative "
    "gradient below 1e-6. C from a backward pass that is written out, against a complex step of "
    "every logit, against autograd's gradient of rkbs's model and against "
    "rkbs.transformer.audit. Networks that lack one condition each: unequal decays, biases, tied "
    "and shared maps, RBF, LayerNorm's ε, decoupled decay; and ordinary training by AdamW in "
    "minibatches",
    scope="1 to 3 layers of 1 to 4 heads, d_model 8, counting and recall with noisy labels; norms "
    "without gains. Theorem D is proved for all. Quick: one layer",
)
def expansion(run: Run) -> Evidence:
    """All heads of all networks, in the form of their kind."""
    cells = run.pick(quick=quick_cells(run.seed), full=[*main_cells(), *condition_cells()])
    results = sweep(run, train, cells, "deep.expansion")
    pairs = list(zip(cells, results, strict=True))
    rows = [network_row(cell, result) for cell, result in run.progress(pairs, "heads")]
    main = [(cell, result) for cell, result in pairs if cell["kind"] == "plain"]
    compared = [checked(cell, result) for cell, result in run.progress(main, "backward passes")]
    settled = at_rest(rows)
    return Evidence(
        checks=(
            *soundness(results, rows, compared),
            *expands(heads_of(settled, "plain"), "all heads"),
            *conditions(rows),
            *decoupled(rows),
            *norms(rows),
        ),
        data={
            "declared": digest(DECLARED),
            "networks": [kept(row) for row in rows],
            "heads at rest": sum(not head["rank"] for row in settled for head in row["heads"]),
        },
    )


def kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """A network as a record keeps it: of each head what is drawn."""
    heads = [head for head in row["heads"] if head["rank"]]
    has_form = row["kind"] in ("tied", "rbf")
    free = heads if has_form else [head for head in row["as two maps"] if head["rank"]]
    return {name: row[name] for name in ("kind", "task", "layers", "dimension")} | {
        "off": drawn(row["off"], 2),
        "heads": [drawn([residual(head), *(head[name] for name in KEPT)], 3) for head in heads],
        "as two maps": [drawn(head["best"], 3) for head in free],
    }


def residual(head: Mapping[str, Any]) -> float:
    """Of the expansion in the form of the head, of two free maps at the λ that suits each best."""
    if "tied" in head:
        return head["tied"]
    if "key half with norms" in head:
        return max(head["query half"], head["key half with norms"])
    return head["best"]
