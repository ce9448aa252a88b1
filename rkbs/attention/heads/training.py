"""Training heads, many at once: Adam as in practice, and the fit of a response surface."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor

from rkbs._arrays import check_count, check_number
from rkbs.approximation.heads import Head
from rkbs.approximation.quadrature import Quadrature, check_quadrature
from rkbs.approximation.surface import Surface
from rkbs.attention.heads.ensemble import TwoTowerEnsemble
from rkbs.attention.heads.surfaces import Surfaces

Progress = Callable[[int, int], None]
"""Told (steps done, steps), at least a hundred times where there are as many steps."""


class Method(ABC):
    """How to train: a small object with the budget, told what to fit.

    Examples
    --------
    >>> from rkbs.approximation import TARGETS, Quadrature
    >>> from rkbs.attention import Adam, TwoTowerEnsemble, VariableProjection, train_heads
    >>> quadrature = Quadrature.gauss_legendre(16)
    >>> for method in (Adam(steps=20), VariableProjection(steps=20)):
    ...     ensemble = TwoTowerEnsemble.random(dims=(2,), widths=(3,), seeds=(0,))
    ...     run = train_heads(TARGETS["edp"], ensemble, quadrature=quadrature, method=method)
    ...     print(run.errors[-1].round(1))
    [1.5]
    [0.2]
    """

    @abstractmethod
    def fit(
        self, ensemble: TwoTowerEnsemble, surfaces: Surfaces, progress: Progress | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Train in place; the steps recorded, (k,), and the L² errors there, (k, M)."""


@final
@dataclass(frozen=True)
class Adam(Method):
    """Adam with a cosine schedule, the learning rate falling from ``lr`` to 0; nothing else tuned.

    Parameters
    ----------
    steps : int
    lr : float
        The first learning rate.
    weight_decay : float
        Decoupled from the gradient, as in AdamW (Loshchilov & Hutter 2019).

    Examples
    --------
    >>> import torch
    >>> from rkbs.attention import Adam
    >>> w = torch.zeros(1, requires_grad=True)
    >>> steps, objectives = Adam(steps=200, lr=0.1).minimize([w], lambda: (w - 2.0).square())
    >>> round(w.item(), 2), bool(objectives[-1, 0] < 1e-3)
    (2.0, True)
    """

    steps: int = 3000
    lr: float = 1e-2
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_count(self.steps, "steps"), check_number(self.lr, "lr", above=0.0)
        check_number(self.weight_decay, "weight_decay", least=0.0)

    def fit(
        self, ensemble: TwoTowerEnsemble, surfaces: Surfaces, progress: Progress | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        steps, squared = self.minimize(
            ensemble.parameters(), lambda: surfaces.squared_errors(ensemble), progress
        )
        return steps, np.sqrt(squared)

    @torch.inference_mode(False)
    @torch.enable_grad()
    def minimize(
        self,
        parameters: Iterable[Tensor],
        objectives: Callable[[], Tensor],
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Minimize objectives (M,) that share no parameter, in place, all in one batch.

        Returns
        -------
        steps, objectives : arrays of shape (k,), (k, M)
            Where the objectives were recorded, one to two hundred times, and their values; the last
            are those of the parameters that are left.

        Raises
        ------
        FloatingPointError
            If an objective is no longer finite: the learning rate is too high.
        """
        parameters = list(parameters)
        check_trainable(parameters)
        optimizer = torch.optim.AdamW(
            parameters, lr=self.lr, weight_decay=self.weight_decay, fused=True
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        record = _Recorder(self, progress)
        for step in range(self.steps):
            optimizer.zero_grad()
            values = objectives()
            record(step, values)
            values.sum().backward()  # each model gets its own gradient
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            record(self.steps, objectives())
        return np.array(record.steps), np.array(record.objectives)


def check_trainable(parameters: Iterable[Tensor]) -> None:
    """``ValueError`` for parameters that torch will not change."""
    if any(parameter.is_inference() for parameter in parameters):
        raise ValueError(
            "parameters were made under torch.inference_mode(), where torch lets them be changed "
            "only there: make them outside"
        )


class _Recorder:
    """The objectives now and then; reading them makes a device wait."""

    def __init__(self, method: Adam, progress: Progress | None) -> None:
        self.method, self.progress = method, progress
        self.steps: list[int] = []
        self.objectives: list[np.ndarray] = []

    def __call__(self, step: int, values: Tensor) -> None:
        last = self.method.steps
        if step % max(1, last // 100) and step < last:
            return
        found = values.detach().cpu().double().numpy()
        if not np.isfinite(found).all():
            wrong = np.flatnonzero(~np.isfinite(found))[:8].tolist()
            advice = f"lower lr={self.method.lr}" if step else "start from other weights"
            raise FloatingPointError(
                f"the objectives of models {wrong} are {found[wrong]} after {step} steps: {advice}"
            )
        self.steps.append(step)
        self.objectives.append(found)
        if self.progress:
            self.progress(step, last)


@final
@dataclass(frozen=True, eq=False)
class Training:
    """Trained heads and how they came about.

    Parameters
    ----------
    heads : tuple of Head
        In float64.
    steps : array of shape (k,)
    errors : array of shape (k, M)
        L² errors of the quadrature after that many steps, from 0 to the last.
    seconds : float
        Wall time of the whole batch.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.approximation import TARGETS, Quadrature, l2_error
    >>> from rkbs.attention import TwoTowerEnsemble, VariableProjection, train_heads
    >>> target, quadrature = TARGETS["edp"], Quadrature.gauss_legendre(16)
    >>> ensemble = TwoTowerEnsemble.random(dims=(1, 2), widths=(4, 4), seeds=(0, 0))
    >>> method = VariableProjection(steps=5)
    >>> run = train_heads(target, ensemble, quadrature=quadrature, method=method)
    >>> np.allclose(run.errors[-1], [l2_error(target, head, quadrature) for head in run.heads])
    True
    """

    heads: tuple[Head, ...] = field(repr=False)
    steps: np.ndarray = field(repr=False)
    errors: np.ndarray = field(repr=False)
    seconds: float


@torch.inference_mode(False)
def train_heads(
    targets: Surface | Sequence[Surface],
    ensemble: TwoTowerEnsemble,
    *,
    quadrature: Quadrature,
    method: Method,
    progress: Progress | None = None,
) -> Training:
    """Minimize ‖F − G‖² = Σ_ij w_i v_j |F(x_i, y_j) − G(x_i, y_j)|² of each model.

    Parameters
    ----------
    targets : Target, callable, or sequence of them
        (n, d_x), (n', d_y) → (n, n'): one for all models, or one for each.
    ensemble : TwoTowerEnsemble
        The start; trained in place, where and in which precision it is; also under
        ``torch.no_grad()`` and ``torch.inference_mode()``.
    quadrature : Quadrature
        The measures μ and ν of the error.
    method : Method
        ``Adam()``, or ``VariableProjection()`` for double precision.
    progress : callable or None
        Told (steps done, steps), at least a hundred times where there are as many steps.

    Raises
    ------
    FloatingPointError
        If an error is not finite.
    TypeError, ValueError
        Naming the argument that does not fit.

    Examples
    --------
    >>> from rkbs.approximation import TARGETS, Quadrature, schmidt
    >>> from rkbs.attention import TwoTowerEnsemble, VariableProjection, train_heads
    >>> target, quadrature = TARGETS["edp"], Quadrature.gauss_legendre(16)
    >>> ensemble = TwoTowerEnsemble.random(dims=(1, 2), widths=(8, 8), seeds=(0, 0))
    >>> method, floor = VariableProjection(steps=10), schmidt(target, nodes=16).floor
    >>> run = train_heads(target, ensemble, quadrature=quadrature, method=method)
    >>> (run.errors[-1] / [floor(1), floor(2)]).round(2)  # no head does better than 1
    array([1., 1.])
    """
    if not isinstance(method, Method):
        raise TypeError(f"method must be a Method, such as Adam(), got {method!r}")
    if not isinstance(ensemble, TwoTowerEnsemble):
        raise TypeError(f"ensemble must be a TwoTowerEnsemble, got {type(ensemble).__name__}")
    check_quadrature(quadrature)
    like = ensemble.query.hidden_weight
    if like.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"ensemble must be in torch.float32 or torch.float64, got {like.dtype}: pass "
            "ensemble.float() or ensemble.double()"
        )
    inputs = tuple(towers.hidden_weight.shape[2] for towers in (ensemble.query, ensemble.key))
    if inputs != (quadrature.x.dim, quadrature.y.dim):
        raise ValueError(
            f"quadrature has domains of dimensions {(quadrature.x.dim, quadrature.y.dim)}, the "
            f"ensemble's (d_x, d_y) are {inputs}"
        )
    surfaces = Surfaces.tabulate(targets, quadrature, ensemble)
    start = time.perf_counter()
    with one_thread():
        steps, errors = method.fit(ensemble, surfaces, progress)
    return Training(tuple(ensemble.heads()), steps, errors, time.perf_counter() - start)


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from threads, and sums must not depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
