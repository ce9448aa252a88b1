"""One head under many optimizers: where each ends, and what is measured there, for a sweep.

Seeds below 100 were tried while recipes were chosen; ``SEEDS`` were not.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from verify.studies.geometry import End, Recipe, descend
from verify.studies.geometry_head import Head, bilinear, draw, gaussian, stacked
from verify.studies.geometry_norms import (
    FROBENIUS,
    MAX,
    NORMS,
    NUCLEAR,
    SPECTRAL,
    SUM,
    absolute,
    frobenius,
    inner,
    nuclear,
)
from verify.studies.geometry_optimizers import Adam, Descent, Lion, Momentum, Muon, newton_schulz

SEEDS = tuple(range(100, 105))
STEP = 1e-7
"""Of central differences: 1e-9 of rounding, and less of what is left out."""
D, CONTEXTS, TOKENS, NOISE = 8, 32, 4, 0.15

RECIPES: dict[str, Recipe] = {
    "gradient descent": Recipe(Descent, FROBENIUS, 0.01, rate=0.005, power=0, ball=False),
    "momentum": Recipe(Momentum, FROBENIUS, 0.01, rate=0.005, power=0, ball=False),
    "normalized gradient": Recipe(partial(Descent, FROBENIUS.steepest), FROBENIUS, 0.5),
    "Adam, λW in the objective": Recipe(
        partial(Adam, 0.99), FROBENIUS, 0.01, rate=3e-4, ball=False, in_objective=True
    ),
    "sign descent": Recipe(partial(Descent, MAX.steepest), MAX, 4.0, steps=32_000),
    "Lion": Recipe(Lion, MAX, 4.0, steps=32_000),
    "AdamW, β₂ = 0.9": Recipe(partial(Adam, 0.9), MAX, 4.0, steps=32_000),
    "coordinate descent": Recipe(partial(Descent, SUM.steepest), SUM, 0.4, steps=256_000),
    "polar descent": Recipe(partial(Descent, SPECTRAL.steepest), SPECTRAL, 1.5, steps=32_000),
    "Muon": Recipe(Muon, SPECTRAL, 1.5, steps=32_000),
    "rank-one descent": Recipe(partial(Descent, NUCLEAR.steepest), NUCLEAR, 0.4, steps=64_000),
}
"""The optimizers of the matrix: each is to realize one norm."""


BETAS = (0.9, 0.95, 0.99, 0.999)


def adamw(beta2: float, epsilon: float = 0.0, decay: float = 4.0) -> Recipe:
    """AdamW."""
    return Recipe(partial(Adam, beta2, epsilon), MAX, decay)


def slowly(beta2: float) -> Recipe:
    """AdamW in steps that begin with λη = (1 − β₂)/4, over the same time Σλη."""
    return replace(adamw(beta2), rate=(1 - beta2) / 4, steps=round(2400 / (1 - beta2)))


MEMORY: dict[str, Recipe] = {f"AdamW, β₂ = {b:g}, usual steps": adamw(b) for b in BETAS} | {
    f"AdamW, β₂ = {b:g}, slow steps": slowly(b) for b in BETAS
}
"""AdamW's memory of 1/(1 − β₂) steps against the 1/(λη) steps of its decay."""

SMALL = (1e-5, 1e-4, 1e-3, 1e-2)
LARGE = (1e-1, 1.0, 10.0)
RIDGE = 0.05
"""ελ where ε is large: what remains is J + (ελ/2)‖W‖²."""
EPSILON: dict[str, Recipe] = {f"AdamW, ε = {e:g}": adamw(0.9, e) for e in SMALL} | {
    f"AdamW, ε = {e:g}": replace(adamw(0.9, e, RIDGE / e), rate=0.1, steps=64_000, power=2)
    for e in LARGE
}

CONDITIONS: dict[str, Recipe] = {
    "Muon, Newton–Schulz": Recipe(partial(Muon, f=newton_schulz), SPECTRAL, 1.5, steps=8000),
    "rank-one descent, λ = 1": Recipe(partial(Descent, NUCLEAR.steepest), NUCLEAR, 1.0, steps=8000),
    "normalized gradient, λ = 0.05": Recipe(partial(Descent, FROBENIUS.steepest), FROBENIUS, 0.05),
}
"""Where one norm cannot be told from others, or none is realized."""

NARROW: dict[str, Recipe] = {
    name: RECIPES[name] for name in ("gradient descent", "normalized gradient", "Lion", "Muon")
}
"""Again with d = 4 < D."""

ALL = {**RECIPES, **MEMORY, **EPSILON, **CONDITIONS}


def problem(seeds: list[int], d: int) -> tuple[Head, np.ndarray]:
    """A head for each seed, of pointers by a Gaussian teacher, and where its maps start."""
    pointers, starts = [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        pointers.append(draw(rng, gaussian(rng, D), CONTEXTS, TOKENS, NOISE))
        starts.append(rng.normal(size=(2, d, D)) / D**0.5)
    return Head(stacked(pointers)), np.stack(starts)


def work(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """Train with a recipe and measure where it ends, for a sweep: a value for each seed."""
    recipe = ALL[configuration["recipe"]]
    if configuration["steps"]:
        recipe = replace(recipe, steps=configuration["steps"])
    head, start = problem(configuration["seeds"], configuration["d"])
    end = descend(head, recipe, start)
    return measured(head, recipe, end)


def measured(head: Head, recipe: Recipe, end: End) -> dict[str, Any]:
    """What is told of an end: the larger one of the two maps' gaps and residuals."""
    w, g, M = end.w, head.gradient(end.w), bilinear(end.w)
    G = head.pointers.gradient(M)
    decayed = recipe.decay * w
    s = np.linalg.svd(M, compute_uv=False)
    epsilon = getattr(recipe.make(), "epsilon", 0.0)
    return {
        "norm": recipe.norm.name,
        "decay": recipe.decay,
        "loss": head.loss(w),
        "residual": end.residual,
        "drift": end.drift,
        "spread": end.spread,
        "last": end.last,
        "turned": end.turned,
        "gaps": {name: norm.gap(w, g).max(-1) for name, norm in NORMS.items()},
        "size": recipe.norm.value(decayed),  # of both maps: 1 on the ball's boundary
        "gaps_of_M": {n.name: n.gap(M, G) for n in (SPECTRAL, NUCLEAR)},
        "singular_values": np.linalg.svd(decayed, compute_uv=False),
        "at_bound": (np.abs(w) >= 0.999 * np.abs(w).max((-2, -1), keepdims=True)).mean(
            (-3, -2, -1)
        ),
        "rank_of_M": (s > 1e-3 * s[:, :1]).sum(-1),
        "beyond": beyond(w, G),
        **(epsilon_law(head, w, epsilon, recipe.decay) if epsilon else {}),
    }


def beyond(w: np.ndarray, G: np.ndarray) -> np.ndarray:
    """‖R‖_*/‖G‖_*, R what is left of G beyond the rows of both maps: 0 for d = D."""
    rows = np.linalg.svd(w, full_matrices=False)[2]
    off = np.eye(D) - rows.mT @ rows
    return nuclear(off[..., 0, :, :] @ G @ off[..., 1, :, :]) / nuclear(G)


def epsilon_law(head: Head, w: np.ndarray, epsilon: float, decay: float) -> dict[str, Any]:
    """What AdamW with ε > 0 is to satisfy at a fixed point: the larger one of the two maps'.

    ``law``: ‖λW + g/(|g| + ε)‖/‖λW‖. ``slope``: of J + barrier along three directions, by
    differences of values, over ‖g‖. ``excess``: Σ|g|(1/λ − |w|), how far J's linear model falls in
    the ball, over ε‖W‖₁, less 1. ``ridge``: the Frobenius gap less its bound
    1 − 2√(1−δ)/(2−δ), δ = λ max|w|.
    """
    g, size = head.gradient(w), decay * np.abs(w)
    law = frobenius(decay * w + g / (np.abs(g) + epsilon)) / frobenius(decay * w)
    falls = (absolute(g) / decay + inner(g, w)) / (epsilon * absolute(w))
    delta = size.max((-2, -1))
    bound = 1 - 2 * np.sqrt(np.maximum(1 - delta, 0)) / (2 - delta)
    return {
        "law": law.max(-1),
        "slope": _slopes(head, w, epsilon, decay) / np.sqrt((g**2).sum((-3, -2, -1))),
        "excess": np.abs(falls - 1).max(-1),
        "ridge": (FROBENIUS.gap(w, g) - bound).max(-1),
        "delta": delta.max(-1),
    }


def barrier(w: np.ndarray, epsilon: float, decay: float) -> np.ndarray:
    """(ε/λ) Σ[−log(1 − λ|w|) − λ|w|] over both maps, (...); NaN beyond the ball."""
    size = decay * np.abs(w)
    with np.errstate(invalid="ignore"):
        return epsilon / decay * (-np.log1p(-size) - size).sum((-3, -2, -1))


def _slopes(head: Head, w: np.ndarray, epsilon: float, decay: float) -> np.ndarray:
    """The largest |derivative| of J + barrier along three unit directions."""
    found = np.zeros(w.shape[:-3])
    for direction in np.random.default_rng(0).normal(size=(3, *w.shape[-3:])):
        h = STEP * direction / np.linalg.norm(direction)
        up, down = (head.loss(v) + barrier(v, epsilon, decay) for v in (w + h, w - h))
        found = np.maximum(found, np.abs(up - down) / (2 * STEP))
    return found
