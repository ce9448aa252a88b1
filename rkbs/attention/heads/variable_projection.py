"""Heads trained to the limit: output weights in closed form, hidden ones by Levenberg–Marquardt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from rkbs._arrays import check_count, check_number
from rkbs.attention.heads.ensemble import Towers, TwoTowerEnsemble
from rkbs.attention.heads.surfaces import Surfaces
from rkbs.attention.heads.training import Method, Progress, check_trainable

_FIRST_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-2, 1e-12, 1e12
_EASE, _TIGHTEN = 1 / 3, 4.0
"""What the damping is multiplied by after a step that lowers the error, and after another."""


class _Projection(NamedTuple):
    """One tower at the current weights, M models at n nodes."""

    hidden: Tensor
    """The masked hidden units, (M, n, m)."""
    basis: Tensor
    """Q, whose columns span the weighted units and the constant, (M, n, m + 1)."""
    output: Tensor
    """Output weights of q = σ u (of k = σ v), (M, m + 1, d)."""
    partner: Tensor
    """The other tower's features, orthonormal, (M, n', d)."""


class _State(NamedTuple):
    """The best heads on the current hidden layers."""

    squared: Tensor
    """‖F − G‖², (M,)."""
    sizes: Tensor
    """σ_l, (M, d), zero beyond a model's own dimension."""
    projections: tuple[_Projection, _Projection]


@final
@dataclass(frozen=True)
class VariableProjection(Method):
    """min over hidden layers of ‖F − G‖², G the best head of dimension d on them.

    For given layers the best output weights are a truncated SVD of Q_Xᵀ F Q_Y, Q_X and Q_Y bases of
    the units' spans (``head_on_layers``): only slopes and biases are left, and step 0 from random
    layers is the constructive head. By the envelope theorem the derivative of ½‖F − G‖² along
    a change Φ' of unit j is −⟨(I − P_X) F k, Φ' ⊗ w_j⟩, w_j its output weights and k the other
    tower's orthonormal features. In Kaufman's approximation the changes of the two towers have
    orthogonal images, and the Gauss–Newton matrix of a tower is the Hadamard product of the
    Gram matrices of (I − P_X) Φ' and of w: one system a tower, of size m(d_x + 1), whatever d
    and n. The gradient is exact up to the ridge, which must stay near rounding. Constant units
    (slope 0) are a stationary point, and stay.

    Parameters
    ----------
    steps : int
        Of Levenberg–Marquardt; one that does not lower the error is not taken, model by model.
    max_slope : float
        Slopes are kept below this: a step narrower than the spacing of the nodes is not seen there.
    ridge : float or None
        Of the output weights, relative to weighted units of norm at most 1; by default ε^0.6 of the
        dtype, 4e-10 in double precision. It bounds the weights of nearly dependent units, and the
        relative error that can be reached.

    Source: Golub & Pereyra (1973), Kaufman (1975); theory §4.

    Examples
    --------
    >>> from rkbs.approximation import TARGETS, Quadrature, schmidt
    >>> from rkbs.attention import TwoTowerEnsemble, VariableProjection, train_heads
    >>> target, quadrature = TARGETS["edp"], Quadrature.gauss_legendre(16)
    >>> ensemble = TwoTowerEnsemble.random(dims=(2,), widths=(3,), seeds=(0,))
    >>> method = VariableProjection(steps=20)
    >>> run = train_heads(target, ensemble, quadrature=quadrature, method=method)
    >>> (run.errors[[0, -1], 0] / schmidt(target, nodes=16).floor(2)).round(2)
    array([1.02, 1.  ])
    """

    steps: int = 100
    max_slope: float = 20.0
    ridge: float | None = None

    def __post_init__(self) -> None:
        check_count(self.steps, "steps"), check_number(self.max_slope, "max_slope", above=0.0)
        if self.ridge is not None:
            check_number(self.ridge, "ridge", above=0.0)

    @torch.inference_mode(False)
    @torch.no_grad()
    def fit(
        self, ensemble: TwoTowerEnsemble, surfaces: Surfaces, progress: Progress | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        check_trainable(ensemble.parameters())
        if not all(torch.isfinite(parameter).all() for parameter in _hidden_parameters(ensemble)):
            raise FloatingPointError("the ensemble's hidden weights are not finite at the start")
        state = self._state(ensemble, surfaces)
        damping = torch.full_like(state.squared, _FIRST_DAMPING)
        steps, errors = [0], [_root(state.squared)]
        for step in range(1, self.steps + 1):
            before = _hidden(ensemble)
            self._move(ensemble, surfaces, state, damping)
            moved = self._state(ensemble, surfaces)
            better = moved.squared < state.squared
            state = _choose(better, moved, state)
            for parameter, old in zip(_hidden_parameters(ensemble), before, strict=True):
                parameter.copy_(_where(better, parameter, old))
            damping = torch.where(better, damping * _EASE, damping * _TIGHTEN)
            damping = damping.clamp(_LEAST_DAMPING, _MOST_DAMPING)
            if step % max(1, self.steps // 100) == 0 or step == self.steps:
                steps.append(step)
                errors.append(_root(state.squared))
                if progress:
                    progress(step, self.steps)
        _set_outputs(ensemble, state)
        return np.array(steps), np.array(errors)

    def _state(self, ensemble: TwoTowerEnsemble, surfaces: Surfaces) -> _State:
        (hx, qx, rx), (hy, qy, ry) = (
            self._basis(towers, x, root)
            for towers, x, root in (
                (ensemble.query, surfaces.t, surfaces.root_t),
                (ensemble.key, surfaces.s, surfaces.root_s),
            )
        )
        F = surfaces.weighted
        u, sizes, vt = torch.linalg.svd(qx.mT @ F @ qy, full_matrices=False)
        own = _own_dimensions(ensemble, sizes)  # (M, r)
        d = min(ensemble.query.output_bias.shape[1], own.shape[1])
        own, sizes = own[:, :d], sizes[:, :d] * own[:, :d]
        u, v = u[..., :d] * own[:, None], vt[:, :d].mT * own[:, None]  # (M, m + 1, d)
        left, right = qx @ u, qy @ v  # (M, n, d)
        squared = (F - (left * sizes[:, None]) @ right.mT).square().sum((-2, -1))
        outputs = (
            torch.linalg.solve_triangular(r, singular * sizes[:, None], upper=True)
            for r, singular in ((rx, u), (ry, v))
        )
        ox, oy = outputs
        return _State(
            squared, sizes, (_Projection(hx, qx, ox, right), _Projection(hy, qy, oy, left))
        )

    def _basis(self, towers: Towers, x: Tensor, root: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden units, and the QR factors of [√w Φ; δ I], of which Q's upper part is kept."""
        hidden = towers.hidden(x)  # (M, n, m)
        M, n, m = hidden.shape
        ones = hidden.new_ones(M, n, 1)
        ridge = torch.finfo(hidden.dtype).eps ** 0.6 if self.ridge is None else self.ridge
        below = ridge * torch.eye(m + 1, dtype=hidden.dtype, device=hidden.device)
        stacked = torch.cat(
            [root * torch.cat([hidden, ones], -1), below.expand(M, m + 1, m + 1)], 1
        )
        q, r = torch.linalg.qr(stacked)
        return hidden, q[:, :n], r

    def _move(
        self, ensemble: TwoTowerEnsemble, surfaces: Surfaces, state: _State, damping: Tensor
    ) -> None:
        """A damped Gauss–Newton step of both towers."""
        given = (
            (ensemble.query, surfaces.weighted, surfaces.t, surfaces.root_t),
            (ensemble.key, surfaces.weighted.mT, surfaces.s, surfaces.root_s),
        )
        for (towers, F, x, root), projection in zip(given, state.projections, strict=True):
            gradient, matrix = _normal_equations(F, x, root, towers.units, projection)
            diagonal = matrix.diagonal(dim1=1, dim2=2)  # (M, p)
            # Units that do nothing have zero rows; the floor keeps the system regular.
            least = 1e-12 * diagonal.amax(1, keepdim=True) + torch.finfo(F.dtype).tiny
            matrix = matrix + torch.diag_embed(damping[:, None] * (diagonal + least) + least)
            step = torch.linalg.solve_ex(matrix, gradient)[0]  # (M, p)
            step = torch.nan_to_num(step, 0.0, 0.0, 0.0)  # no step: then more damping
            M, m, inputs = towers.hidden_weight.shape
            towers.hidden_weight += step[:, : m * inputs].view(M, inputs, m).mT
            towers.hidden_bias += step[:, m * inputs :]
            largest = towers.hidden_weight.abs().amax(2)  # (M, m)
            scale = (self.max_slope / largest).clamp(max=1)  # the unit's center stays where it is
            towers.hidden_weight *= scale[..., None]
            towers.hidden_bias *= scale


def _normal_equations(
    F: Tensor, x: Tensor, root: Tensor, units: Tensor, projection: _Projection
) -> tuple[Tensor, Tensor]:
    """Minus the gradient (M, p) of ½‖F − G‖² and the Gauss–Newton matrix (M, p, p).

    p = m(d_x + 1) parameters: slopes of coordinate 1, …, of coordinate d_x, biases.
    """
    slope = root * (1 - projection.hidden.square()) * units[:, None]  # tanh' √w; (M, n, m)
    inputs = x.shape[-1]
    changes = torch.cat([*(slope * x[:, a, None] for a in range(inputs)), slope], -1)  # (M, n, p)
    basis, m = projection.basis, projection.hidden.shape[-1]
    missed = F @ projection.partner
    missed = missed - basis @ (basis.mT @ missed)  # (I − P) F k, (M, n, d)
    changes = changes - basis @ (basis.mT @ changes)
    weights = projection.output[:, :m].repeat(1, inputs + 1, 1)  # (M, p, d)
    gradient = ((changes.mT @ missed) * weights).sum(-1)
    return gradient, (changes.mT @ changes) * (weights @ weights.mT)


def _own_dimensions(ensemble: TwoTowerEnsemble, sizes: Tensor) -> Tensor:
    """1 where the index is below a model's d, shape (M, r)."""
    dims = torch.tensor(ensemble.dims, device=sizes.device)
    return (torch.arange(sizes.shape[1], device=sizes.device) < dims[:, None]).to(sizes.dtype)


def _hidden_parameters(ensemble: TwoTowerEnsemble) -> tuple[Tensor, ...]:
    query, key = ensemble.query, ensemble.key
    return query.hidden_weight, query.hidden_bias, key.hidden_weight, key.hidden_bias


def _hidden(ensemble: TwoTowerEnsemble) -> list[Tensor]:
    return [parameter.clone() for parameter in _hidden_parameters(ensemble)]


def _where(better: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(better.view(-1, *[1] * (new.ndim - 1)), new, old)


def _choose(better: Tensor, new: _State, old: _State) -> _State:
    projections = tuple(
        _Projection(*(_where(better, a, b) for a, b in zip(ours, theirs, strict=True)))
        for ours, theirs in zip(new.projections, old.projections, strict=True)
    )
    return _State(
        torch.where(better, new.squared, old.squared),
        _where(better, new.sizes, old.sizes),
        projections,
    )


def _set_outputs(ensemble: TwoTowerEnsemble, state: _State) -> None:
    """q_l = √σ_l u_l and k_l = √σ_l v_l: the scales of the two towers are equal."""
    root = state.sizes.sqrt()
    share = torch.where(root > 0, 1 / root, 0)[:, None]  # of σ u to √σ u; (M, 1, d)
    for towers, projection in zip((ensemble.query, ensemble.key), state.projections, strict=True):
        output = projection.output * share  # (M, m + 1, d)
        d = output.shape[-1]
        towers.output_weight.zero_()
        towers.output_bias.zero_()
        towers.output_weight[:, :d] = output[:, :-1].mT
        towers.output_bias[:, :d] = output[:, -1]


def _root(squared: Tensor) -> np.ndarray:
    return squared.sqrt().cpu().double().numpy()
