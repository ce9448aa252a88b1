"""A stage of the smoothed dual: Newton's method over c, and over lengths outside of it."""

from __future__ import annotations

import numpy as np

from rkbs.solvers.functions._smoothed_dual import DualJet, SmoothedDual

_STAGE_STEPS = 60
_CENTERED = 1e-4
"""A stage ends when Newton's decrement over c is this fraction of the barrier's weight."""
_CENTERED_LENGTH = 1e-2
"""The same for the lengths, which see the minimization over c with that error."""
_ROUNDING = 1e-13
"""Relative rounding of the dual's value, a sum of n + 2 terms of one size."""


def minimize_stage(
    dual: SmoothedDual, c: np.ndarray, lengths: np.ndarray, theta: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """One stage: minimize over c and, by Newton, over the lengths τ of the blocks with R(t) = t.

    φ(τ) = max_c −F_τ(c) + Σ (λτ/2 − μ log τ) is convex, F_τ the smoothed dual.
    """
    c, steps = minimize_over_c(dual.with_lengths(lengths), c, theta, max_iter)
    seeking = dual.seeking
    if not seeking.any():
        return c, lengths, steps
    last = np.inf
    for _ in range(_STAGE_STEPS):
        gradient, hessian = length_jet(dual, c, lengths, theta)
        direction = np.zeros(len(lengths))
        direction[seeking] = -np.linalg.solve(hessian, gradient)
        slope = float(gradient @ direction[seeking])
        enough = _CENTERED_LENGTH * theta * dual.mu
        if _ended(-slope, last, enough, theta * enough) or steps >= max_iter:
            return c, lengths, steps
        last = -slope
        change = direction / lengths
        length = 1 / max(1.0, -change.min() / 0.9, change.max() / 9)  # from τ/10 to 10 τ
        far = length < 1
        while length > 1e-12:
            trial = lengths + length * direction
            moved, used = minimize_over_c(dual.with_lengths(trial), c, theta, max_iter - steps)
            steps += used
            # φ is convex, so a smaller slope is progress; its value is known less accurately. Where
            # the step was cut, φ may be linear: then it is progress that φ still falls.
            there = length_jet(dual, moved, trial, theta)[0] @ direction[seeking]
            if abs(there) <= -0.9 * slope or (far and there < 0):
                break
            length /= 2
        else:
            return c, lengths, steps  # only rounding is left
        c, lengths = moved, trial
    return c, lengths, steps


def length_jet(
    dual: SmoothedDual, c: np.ndarray, lengths: np.ndarray, theta: float
) -> tuple[np.ndarray, np.ndarray]:
    """∇φ = λ/2 − s²/(2λ) − μ/τ and ∇²φ = GᵀH⁻¹G + μ/τ², G = ∂_τ∇F, at F_τ's minimizer c."""
    here, seeking, mu = dual.with_lengths(lengths), dual.seeking, theta * dual.mu
    _, _, hessian, gradients = here.jet(c, theta)
    tau, norms = lengths[seeking], here.norms(c, theta)[seeking, 0]
    weights = dual.weights[seeking]
    columns = gradients[:, seeking] / tau
    gradient = weights / 2 - norms**2 / (2 * weights) - mu / tau
    return gradient, columns.T @ hessian.solve(columns) + np.diag(mu / tau**2)


def minimize_over_c(
    dual: SmoothedDual, c: np.ndarray, theta: float, max_iter: int
) -> tuple[np.ndarray, int]:
    """Newton's method over c at fixed θ and lengths, until the decrement is small enough."""
    jet, last, enough = dual.jet(c, theta), np.inf, _CENTERED * theta * dual.mu
    wanted = theta * enough if dual.seeking.any() else enough
    for step in range(min(max_iter, _STAGE_STEPS)):
        direction = -jet[2].solve(jet[1])
        decrement = float(-jet[1] @ direction)
        if _ended(decrement, last, enough, wanted):
            return c, step
        last = decrement
        found = _line_search(dual, c, theta, direction, jet)
        if found is None:
            return c, step
        c, jet = found
    return c, max(min(max_iter, _STAGE_STEPS), 0)


def _ended(decrement: float, last: float, enough: float, wanted: float) -> bool:
    """Whether the decrement is as wanted, or else enough and no longer falling fast.

    For R(t) = t the gap is of the first order in the error of s = λ, the decrement of the second:
    it is wanted at the square of the barrier's relative weight, where rounding lets it be so.
    """
    return decrement <= wanted or (decrement <= enough and decrement > 0.1 * last)


def _line_search(
    dual: SmoothedDual, c: np.ndarray, theta: float, direction: np.ndarray, jet: DualJet
) -> tuple[np.ndarray, DualJet] | None:
    """Backtracking to Armijo's condition; None where only rounding is left to gain.

    Where the decrease drowns in the value's rounding, the slope decides (Hager & Zhang, 2005).
    """
    value, slope, length = jet[0], float(jet[1] @ direction), 1.0
    while length > 1e-12:
        trial = c + length * direction
        new = dual.value(trial, theta)
        if new <= value + 1e-4 * length * slope:
            return trial, dual.jet(trial, theta)
        if new <= value + _ROUNDING * abs(value):
            there = dual.jet(trial, theta)
            if abs(there[1] @ direction) <= -slope / 2:
                return trial, there
        length /= 2
    return None
