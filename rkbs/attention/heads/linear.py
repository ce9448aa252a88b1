"""Attention logits with learned W^Q, W^K on fixed features, trained with weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rkbs._arrays import as_matrix, check_count, check_number, kind_error, short_repr
from rkbs.attention.heads.training import Adam
from rkbs.attention.heads.two_tower import as_list, check_place, native
from rkbs.data.pairs import Pairs
from rkbs.problems.gram import check_scale
from rkbs.terms.losses import Loss
from rkbs.terms.residual_losses import Squared


@dataclass(frozen=True, eq=False)
class LinearHeads:
    """Trained heads h(x, y) = (W^Q Φ_X(x))·(W^K Φ_Y(y)), a leading axis for the seeds.

    Attributes
    ----------
    query : array of shape (s, d, D_x)
        W^Q of each head.
    key : array of shape (s, d, D_y)
        W^K of each head.
    steps : array of shape (k,)
        Where the objectives were recorded.
    objectives : array of shape (k, s)
        Σ ℓ(h_n; z_n) + (α/2)(‖W^Q‖_F² + ‖W^K‖_F²); the last row is of the weights returned.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Pairs
    >>> from rkbs.attention import train_linear_heads
    >>> x, z = np.eye(3), np.diag([3.0, 2.0, 1.0])
    >>> heads = train_linear_heads(x, x, Pairs.grid(x, x), z, 0.1, d=2, seeds=(0, 1), steps=50)
    >>> heads.query.shape, heads.operators.shape, heads.objectives.shape[1]
    ((2, 2, 3), (2, 3, 3), 2)
    """

    query: np.ndarray
    key: np.ndarray
    steps: np.ndarray
    objectives: np.ndarray

    __repr__ = short_repr

    @property
    def operators(self) -> np.ndarray:
        """T = W^Qᵀ W^K of each head, (s, D_x, D_y), of rank ≤ d: h(x, y) = Φ_X(x)ᵀ T Φ_Y(y)."""
        return self.query.swapaxes(1, 2) @ self.key


@torch.inference_mode(False)
def train_linear_heads(
    features_x: np.ndarray,
    features_y: np.ndarray,
    pairs: Pairs,
    z: np.ndarray,
    alpha: float,
    d: int,
    *,
    loss: Loss | None = None,
    seeds: Sequence[int] = (0,),
    steps: int = 3000,
    lr: float = 0.03,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> LinearHeads:
    """Minimize Σ ℓ(h_n; z_n) + (α/2)(‖W^Q‖_F² + ‖W^K‖_F²) by Adam, all seeds in one batch.

    Its minimum over W^Q, W^K of d rows is that of Σ ℓ + α‖T‖_* over operators T of rank ≤ d, since
    ‖T‖_* = min ½(‖W^Q‖² + ‖W^K‖²) over W^QᵀW^K = T. The learning rate falls from ``lr`` to 0 along
    half a cosine; the decay is part of the objective (not decoupled as in AdamW, whose fixed
    points are not this problem's).

    Parameters
    ----------
    features_x, features_y : arrays of shape (n_x, D_x), (n_y, D_y)
        Φ_X and Φ_Y of the points.
    pairs : Pairs
        Only its indices are used.
    z : array of shape (n,), or (n_x, n_y) for a complete grid
    alpha : float
        α > 0.
    d : int
        Head dimension.
    loss : Loss, optional
        A smooth one: ``Squared()`` by default, ``Logistic()`` or ``Huber()``.
    seeds : sequence of int
        A head is trained from each.
    steps, lr
        Of Adam.
    device, dtype
        Where and in which precision to train.

    Raises
    ------
    FloatingPointError
        If an objective is no longer finite: the learning rate is too high.

    Source: theory §3, Attention is this problem factorized.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Pairs
    >>> from rkbs.attention import train_linear_heads
    >>> x, z = np.eye(2), np.diag([2.0, 1.0])
    >>> heads = train_linear_heads(x, x, Pairs.grid(x, x), z, alpha=0.5, d=2, steps=300)
    >>> heads.operators[0].round(2) + 0.0  # the convex problem's: singular values less α
    array([[1.5, 0. ],
           [0. , 0.5]])
    """
    loss = Squared() if loss is None else loss
    if not isinstance(loss, Loss):
        raise kind_error(loss, "loss", Loss)
    if not loss.smooth:
        raise ValueError(f"loss must be smooth, such as Squared() or Logistic(), got {loss!r}")
    if not isinstance(pairs, Pairs):
        raise TypeError(f"pairs must be a Pairs, got {type(pairs).__name__}")
    alpha = check_number(alpha, "alpha", above=0.0)
    check_count(d, "d")
    method = Adam(steps, lr)
    place = check_place(dtype, device)
    phi_x, phi_y = (
        torch.as_tensor(_features(values, name, len(points)), **place)
        for values, name, points in (
            (features_x, "features_x", pairs.X),
            (features_y, "features_y", pairs.Y),
        )
    )
    z = pairs.responses(native(z))
    responses = torch.as_tensor(loss.check(check_scale(z)), **place)
    i, j = (torch.as_tensor(index, device=device) for index in (pairs.i, pairs.j))
    query = _initial(seeds, (d, phi_x.shape[1]), 0, place)
    key = _initial(seeds, (d, phi_y.shape[1]), 1, place)

    def objective() -> Tensor:
        """(s,): the sum over pairs and the decay of each head."""
        logits = (phi_x @ query.mT) @ (phi_y @ key.mT).mT  # (s, n_x, n_y)
        data = loss.value(logits[:, i, j], responses).sum(-1)
        decay = query.square().sum((-2, -1)) + key.square().sum((-2, -1))
        return data + alpha / 2 * decay

    taken, objectives = method.minimize([query, key], objective)
    return LinearHeads(query.detach().cpu().numpy(), key.detach().cpu().numpy(), taken, objectives)


def _features(values: np.ndarray, name: str, size: int) -> np.ndarray:
    values = as_matrix(native(values), name)
    if len(values) != size:
        raise ValueError(f"{name} must have {size} rows, one per point, got {len(values)}")
    return values


def _initial(seeds: Sequence[int], shape: tuple[int, int], side: int, place: dict) -> Tensor:
    """Normal weights of standard deviation 1/√D, (s, d, D), the same on every device."""
    seeds = as_list(seeds, "seeds")
    if not seeds:
        raise ValueError("seeds must name at least one seed, got none")
    draws = [
        np.random.default_rng([check_count(seed, "seeds", 0), side]).standard_normal(shape)
        for seed in seeds
    ]
    weights = np.stack(draws) / np.sqrt(shape[1])
    return torch.as_tensor(weights, **place).requires_grad_()
