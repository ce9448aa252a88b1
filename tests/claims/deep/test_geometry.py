"""deep.geometry: short trainings, made results of the declared ones, and what changes them."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import FOUND, attribute, constants, scaled, several

from verify.claims.deep import geometry as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import geometry_convex, geometry_runs
from verify.studies.geometry_norms import NORMS, SPECTRAL, Norm
from verify.studies.geometry_optimizers import Adam, Descent, Lion, Muon, newton_schulz
from verify.studies.geometry_runs import ALL

STEPS = {
    "gradient descent": 3000,
    "Adam, λW in the objective": 6000,
    "Lion": 12_000,
    "Muon": 10_000,
    "AdamW, β₂ = 0.999, usual steps": 1000,
    "AdamW, ε = 0.001": 3000,
    "AdamW, ε = 10": 12_000,
    "Muon, Newton–Schulz": 1500,
}


def once(patch):
    """A cell is trained once: sabotages of what is measured start from the same results."""

    def swept(run, work, cells, name):
        for cell in cells:
            if (key := (name, repr(cell))) not in FOUND:
                FOUND[key] = work(cell, "cpu")
        return [copy.deepcopy(FOUND[name, repr(cell)]) for cell in cells]

    def convex(run):
        if "convex" not in FOUND:
            FOUND["convex"] = right(run)
        return copy.deepcopy(FOUND["convex"])

    right = module.convex
    patch.setattr(module, "sweep", swept)
    patch.setattr(module, "convex", convex)


def again(recipe, **changes):
    """One cell trained again, its recipe changed."""

    def wrong(right):
        def sweep(run, work, cells, name):
            found = right(run, work, cells, name)
            at = next(i for i, cell in enumerate(cells) if cell["recipe"] == recipe)
            found[at] = work(cells[at] | {"steps": changes.get("steps", cells[at]["steps"])}, "cpu")
            return found

        return sweep

    other = replace(ALL[recipe], **{k: v for k, v in changes.items() if k != "steps"})
    return several(
        constants(geometry_runs, ALL=ALL | {recipe: other}), attribute(module, "sweep", wrong)
    )


# ---- made results of the declared runs


def made(cell):
    """What a training might give, by seed: what the theory says."""
    name, seeds = cell["recipe"], len(cell["seeds"])
    recipe, d = ALL[name], cell["d"]
    moving = "usual" in name and "0.999" in name
    gaps = {other: [0.2] * seeds for other in NORMS}
    gaps[recipe.norm.name] = [1e-9] * seeds
    if "ε" in name:
        gaps |= {"entrywise ℓ^∞": [1e-4] * seeds, "Frobenius": [1e-6] * seeds}
    if "Schulz" in name:
        gaps["spectral"] = [0.2] * seeds
    if name == "rank-one descent, λ = 1":
        gaps |= {other: [1e-12] * seeds for other in ("Frobenius", "spectral", "nuclear")}
    ranks = {"coordinate descent": 1, "rank-one descent": 2, "normalized gradient": 5}
    flat = recipe.norm is SPECTRAL
    return {
        "norm": recipe.norm.name,
        "decay": recipe.decay,
        "loss": [1.0] * seeds,
        "residual": [0.2 if moving else 1e-4] * seeds,
        "turned": [1e-4] * seeds,
        "last": [0.5] * seeds,
        "gaps": gaps,
        "size": [[0.4 if name.endswith("0.05") else 1.0] * 2] * seeds,
        "gaps_of_M": {"spectral": [0.1 if d < 8 else 1e-9] * seeds, "nuclear": [1e-9] * seeds},
        "singular_values": np.full((seeds, 2, d), 1.0) if flat else [[np.arange(d, 0, -1.0)] * 2],
        "at_bound": [0.9 if recipe.norm.name == "entrywise ℓ^∞" else 0.02] * seeds,
        "rank_of_M": [ranks.get(name, 8)] * seeds,
        "beyond": [0.1 if d < 8 else 0.0] * seeds,
        "law": [1e-5] * seeds,
        "slope": [1e-6] * seeds,
        "excess": [1e-5] * seeds,
        "ridge": [-1e-6] * seeds,
    }


def swept(run, work, cells, name):
    return [made(cell) for cell in cells]


def balls(run):
    rows = [{"norm": name, "excess": 1e-6, "size": 1.0} for name in NORMS]
    return rows, [{"epsilon": 1e-3, "off": 1e-11}]


def rows(recipe, **change):
    """The result of a recipe changed: values of all seeds, or of a gap; or a function of them."""

    def wrong(right):
        def sweep(run, work, cells, name):
            found = right(run, work, cells, name)
            for cell, result in zip(cells, found, strict=True):
                if cell["recipe"] == recipe and cell["d"] == change.get("d", 8):
                    for key, value in change.items():
                        if key == "gaps":
                            count = len(next(iter(result["gaps"].values())))
                            result["gaps"] |= {norm: [x] * count for norm, x in value.items()}
                        elif key in ("nuclear", "spectral"):
                            result["gaps_of_M"][key] = [value] * len(result["gaps_of_M"][key])
                        elif key != "d":
                            result[key] = np.full_like(np.asarray(result[key], float), value)
            return found

        return sweep

    return attribute(module, "sweep", wrong)


small = several(constants(module, QUICK=STEPS), once)
declared = several(
    constants(module, sweep=swept, convex=balls),
    attribute(module, "matrix", lambda right: lambda run: right(Run("full"))),
)
trained = Subject("deep.geometry", small)
broken = Subject("deep.geometry", declared)
MAX = "entrywise ℓ^∞"
SABOTAGES = [
    trained(
        "gradient descent in Lion's place",
        again("Lion", make=Descent, decay=0.01, rate=0.005, power=0.0, steps=3000),
        noticed="gap of the own norm",
    ),
    trained(
        "Adam's decay decoupled",
        again(
            "Adam, λW in the objective",
            make=partial(Adam, 0.9),
            decay=4.0,
            rate=0.2,
            in_objective=False,
            steps=12_000,
        ),
        noticed="gap of the own norm",
    ),
    trained(
        "Newton–Schulz in Muon's place",
        again("Muon", make=partial(Muon, f=newton_schulz), steps=1500),
        noticed="gap of the own norm",
    ),
    trained("Lion stopped early", again("Lion", steps=200), noticed="seeds not at rest"),
    trained(
        "steps of Lion that do not fall",
        again("Lion", power=0.0, steps=1000),
        noticed="seeds not at rest",
    ),
    trained(
        "β₂ = 0.9 where 0.999 is said",
        again("AdamW, β₂ = 0.999, usual steps", make=partial(Adam, 0.9), steps=4000),
        noticed="AdamW, β₂ = 0.999",
    ),
    trained(
        "Lion's direction where ε is said",
        again("AdamW, ε = 0.001", make=lambda: _with(Lion(), epsilon=1e-3)),
        noticed="λW = −g/(|g| + ε)",
    ),
    trained(
        "a barrier half as high",
        several(scaled(geometry_runs, "barrier", 0.5), again("AdamW, ε = 0.001")),
        noticed="slope of J + barrier",
    ),
    trained(
        "an exact polar factor in Newton–Schulz's place",
        again("Muon, Newton–Schulz", make=Muon, steps=4000),
        noticed="Muon by Newton–Schulz",
    ),
    trained(
        "gaps without the dual norm",
        several(
            attribute(
                Norm, "gap", lambda right: lambda n, w, g: right(replace(n, dual=n.value), w, g)
            ),
            again("Muon"),
        ),
        noticed="gap of any other norm",
    ),
    trained(
        "minima of balls that are larger",
        attribute(module, "convex", lambda _: _in_larger_balls),
        noticed="convex J at the fixed point/minimum in the ball − 1",
    ),
    broken(
        "an optimizer in two norms",
        rows("Lion", gaps={"Frobenius": 1e-6}),
        noticed="gap of any other norm",
    ),
    broken("a ball that does not bound W", rows("Muon", size=0.9), noticed="|λN(W) − 1|"),
    broken("two optimizers' seeds not at rest", rows("Lion", residual=2e-3), noticed="not at rest"),
    broken("a gap that is not known", rows("Muon", gaps={"spectral": np.nan}), noticed="own norm"),
    broken(
        "AdamW in ℓ^∞ and at rest after usual steps",
        rows("AdamW, β₂ = 0.999, usual steps", residual=1e-3),
        noticed="β₂ = 0.999, usual steps",
    ),
    broken(
        "AdamW not at rest after slow steps",
        rows("AdamW, β₂ = 0.999, slow steps", residual=0.02),
        noticed="slow steps, all β₂: residual",
    ),
    broken(
        "AdamW not in ℓ^∞ after slow steps",
        rows("AdamW, β₂ = 0.99, slow steps", gaps={MAX: 0.02}),
        noticed="slow steps, all β₂: ℓ^∞ gap",
    ),
    broken("an ε law that fails", rows("AdamW, ε = 0.1", law=0.01), noticed="λW = −g/(|g| + ε)"),
    broken(
        "a gap that is not ε‖W‖₁", rows("AdamW, ε = 0.01", excess=0.01), noticed="gap in J/(ε‖W‖₁)"
    ),
    broken(
        "a Frobenius gap above its bound", rows("AdamW, ε = 1", ridge=1e-5), noticed="2√(1−δ)/(2−δ)"
    ),
    broken(
        "small ε far from ℓ^∞", rows("AdamW, ε = 1e-05", gaps={MAX: 0.1}), noticed="ε = 1e-5: ℓ^∞"
    ),
    broken(
        "large ε far from Hilbert space",
        rows("AdamW, ε = 10", gaps={"Frobenius": 0.1}),
        noticed="ε = 10",
    ),
    broken(
        "gradient descent's M off the nuclear norm",
        rows("gradient descent", nuclear=0.02),
        noticed="nuclear gap of M",
    ),
    broken("Muon's M off its ball", rows("Muon", spectral=0.01), noticed="d = D, Muon: spectral"),
    broken(
        "a narrow Muon's M without what is beyond its rows",
        rows("Muon", d=4, beyond=0.0),
        noticed="d = 4, Muon: |spectral gap of M",
    ),
    broken(
        "a narrow Muon inside the ball",
        rows("Muon", d=4, singular_values=0.9),
        noticed="d = 4, Muon: λσ(W)",
    ),
    broken("entries of Lion inside", rows("Lion", at_bound=0.3), noticed="entries at ±1/λ"),
    broken("entries of Muon at bounds", rows("Muon", at_bound=0.5), noticed="at their largest"),
    broken(
        "gradient descent's singular values all the same",
        rows("gradient descent", singular_values=1.0),
        noticed="Frobenius: singular values at the largest",
    ),
    broken(
        "ranks above one of coordinate descent",
        rows("coordinate descent", rank_of_M=2),
        noticed="ℓ¹: rank of M",
    ),
    broken(
        "a nuclear norm of high rank",
        rows("rank-one descent", rank_of_M=6),
        noticed="rank of M: nuclear",
    ),
    broken(
        "a spectral norm of low rank", rows("Muon", rank_of_M=5), noticed="rank of M: Frobenius"
    ),
    broken(
        "norms told apart at rank one",
        rows("rank-one descent, λ = 1", gaps={"Frobenius": 0.1}),
        noticed="M of rank one",
    ),
    broken(
        "a ball too large that bounds W",
        rows("normalized gradient, λ = 0.05", size=1.0),
        noticed="the ball too large",
    ),
]


def _with(optimizer, **attributes):
    for name, value in attributes.items():
        setattr(optimizer, name, value)
    return optimizer


def _in_larger_balls(run):
    """One norm's fixed point against the minimum in a ball a tenth larger."""

    class Other(geometry_convex.Logistic):
        def in_ball(self, norm, radius):
            return super().in_ball(norm, 1.1 * radius)

    right, norms = geometry_convex.Logistic, geometry_convex.NORMS
    try:
        geometry_convex.Logistic = Other
        geometry_convex.NORMS = {"entrywise ℓ^∞": norms["entrywise ℓ^∞"]}
        return geometry_convex.in_balls(run.seed, 1000), balls(run)[1]
    finally:
        geometry_convex.Logistic, geometry_convex.NORMS = right, norms


test_verdict = trained.ends_in(Verdict.HOLDS_IF)
test_declared = broken.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)


def test_a_full_run_has_the_declared_seeds_and_all_recipes():
    cells = module.matrix(Run("full"))
    assert {cell["recipe"] for cell in cells} == set(ALL)
    assert all(cell["seeds"] == [100, 101, 102, 103, 104] for cell in cells)
    assert module.matrix(Run(seed=3))[0]["seeds"] == [503]


def test_what_is_weaker_than_asked_is_told(monkeypatch):
    declared(monkeypatch)
    rows("AdamW, β₂ = 0.99, slow steps", residual=2e-3)(monkeypatch)
    found = module.geometry(Run())
    assert found.verdict is Verdict.HOLDS_IF
    assert [check.name for check in found.shortfalls] == [
        "AdamW in slow steps, all β₂: residual, largest"
    ]


def test_a_seed_that_is_not_at_rest_is_no_evidence(monkeypatch):
    declared(monkeypatch)
    right = module.sweep

    def sweep(*told):
        found = right(*told)
        at = [cell["recipe"] for cell in told[2]].index("polar descent")
        found[at]["turned"][0] = found[at]["gaps"]["spectral"][0] = 0.1
        return found

    monkeypatch.setattr(module, "sweep", sweep)
    found = module.geometry(Run())
    assert found.verdict is Verdict.HOLDS_IF
    assert "0 asked (seeds not at rest" in found.reservation
