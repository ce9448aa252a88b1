"""Maps q(t), k(s) that make the paper's kernels what is wanted, from the factors of a logit.

``a`` (n, r) and ``b`` (m, r) are factors of G = a bᵀ; each function returns q and k.
"""

from __future__ import annotations

import math

import numpy as np

Maps = tuple[np.ndarray, np.ndarray]


def quadratic_maps(a: np.ndarray, b: np.ndarray) -> Maps:
    """(q·k/√d + γ)² = (G + γ)²: q = √r a, k = b."""
    return math.sqrt(a.shape[1]) * a, b


def rbf_maps(a: np.ndarray, b: np.ndarray, tau: float) -> tuple[Maps, float]:
    """exp(−τ‖q − k‖²/√d) = e^{−c} e^G, and c = (max|a|² + max|b|²)/2.

    Two coordinates more, one of the queries and one of the keys, bring all q to one length, and
    all k: then ‖q − k‖² is a constant less 2q·k.
    """
    A, B = ((x**2).sum(1).max() for x in (a, b))
    own = [np.sqrt(np.maximum(top - (x**2).sum(1), 0)) for x, top in ((a, A), (b, B))]
    scale = math.sqrt(math.sqrt(a.shape[1] + 2) / (2 * tau))
    q = scale * np.column_stack([a, own[0], np.zeros(len(a))])
    k = scale * np.column_stack([b, np.zeros(len(b)), own[1]])
    return (q, k), float(A + B) / 2


def normalized_rbf_maps(a: np.ndarray, b: np.ndarray, tau: float) -> Maps:
    """Row-normalized exp(−τ‖q − k‖²/√d) = row-normalized e^G: only the keys need one length."""
    B = (b**2).sum(1).max()
    scale = math.sqrt(math.sqrt(a.shape[1] + 1) / (2 * tau))
    q = scale * np.column_stack([a, np.zeros(len(a))])
    return q, scale * np.column_stack([b, np.sqrt(np.maximum(B - (b**2).sum(1), 0))])


def intersection_maps(a: np.ndarray, b: np.ndarray, knots: int) -> tuple[Maps, float]:
    """0 ≤ G − Σ_l min(q_l, k_l) ≤ Σ_l 2A_l²/(N + 1)², which is returned; d = rN + 2.

    A product is xy = x²/2 + y²/2 − (x − y)²/2, and −min is concave in its arguments' difference:
    Σ_c min(hx, hy + hc) over N knots c of spacing h is −P(x − y) up to functions of x and of y
    alone, P the piecewise linear interpolant of z²/2 on |z| ≤ 2A, which exceeds it by h²/8 at most.
    Functions of one side alone are a minimum with a constant that is larger.
    """
    kept = np.any(a, 0) & np.any(b, 0)  # a term that vanishes has no balance
    a, b = a[:, kept], b[:, kept]
    sizes = [np.abs(x).max(0) for x in (a, b)]
    balance = np.sqrt(sizes[1] / sizes[0])
    a, b = a * balance, b / balance
    top = np.sqrt(sizes[0] * sizes[1])  # A_l, of both factors
    h = 4 * top / (knots + 1)  # (r,)
    steps = np.arange(1, knots + 1) - (knots + 1) / 2
    c = steps[:, None] * h  # (N, r): the inner knots of [−2A, 2A]
    q = np.repeat((h * a)[:, None, :], knots, 1).reshape(len(a), -1)
    k = (h * (b[:, None, :] + c)).reshape(len(b), -1)
    # Inside, P(z) = Σ (h/2)|z − c| + constant, even in z; P(2A) = (2A)²/2 fixes the constant.
    constant = 2 * top**2 - (h / 2 * np.abs(2 * top - c)).sum(0)
    # Σ min = (Nh/2)(x + y) + (h/2)Σc − Σ (h/2)|x − y − c|, and Σc = 0.
    u = (a**2 / 2 - knots * h / 2 * a).sum(1)
    v = (b**2 / 2 - knots * h / 2 * b - constant).sum(1)
    q = np.column_stack([q, u, np.full(len(a), v.max())])
    k = np.column_stack([k, np.full(len(b), u.max()), v])
    return (q, k), float((2 * top**2).sum() / (knots + 1) ** 2)


def intersection_of_matrix(F: np.ndarray) -> Maps:
    """Σ_l min(q_l, k_l) = F, exactly, d = m + 1: min(F_ij − c, w 1[j = l]) is 0 or F_il − c."""
    low = F.min()
    wide = (F - low).max() + 1.0
    q = np.column_stack([F - low, np.full(len(F), low)])
    return q, np.column_stack([wide * np.eye(F.shape[1]), np.full(F.shape[1], low)])
