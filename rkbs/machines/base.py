"""What machines of a kernel within each domain share: the finite expansion of an operator."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from rkbs._arrays import kind_error
from rkbs.data._entities import Entities
from rkbs.kernels.base import Kernel
from rkbs.kernels.repair import Repair, Repaired
from rkbs.machines._samples import Samples
from rkbs.machines._weights import learn_weights, refuse_learned
from rkbs.machines._within import between, gram, kernel_and_repair, learned
from rkbs.machines.pair_machine import PairMachine
from rkbs.problems._grams import Gram
from rkbs.terms.losses import Loss


class OperatorMachine(PairMachine):
    """h(x, y) = Σ_ij A_ij k_X(x, x_i) k_Y(y_j, y) + b: what all operator machines share."""

    _by_features: ClassVar[bool] = False
    """Whether the features of a kernel of low rank take the place of its Gram matrix."""
    _leaves_out: ClassVar[bool] = False
    """Whether a fit leaves responses out, which nothing that it learns beforehand may see."""

    # What a fit sets.
    kernel_x_: Kernel
    kernel_y_: Kernel
    key_coef_: np.ndarray
    query_coef_: np.ndarray
    repair_x_: Repaired | None
    repair_y_: Repaired | None

    def __init__(
        self,
        kernel_x: Kernel | None,
        kernel_y: Kernel | None,
        n_features_x: int | None,
        fit_intercept: bool,
        repair_x: Repair | str | None,
        repair_y: Repair | str | None,
    ) -> None:
        self.kernel_x = kernel_x
        self.kernel_y = kernel_y
        self.n_features_x = n_features_x
        self.fit_intercept = fit_intercept
        self.repair_x = repair_x
        self.repair_y = repair_y

    @classmethod
    def from_kernel(cls, kernel: Kernel, **params: Any) -> Self:
        """The machine of a binary kernel κ: k_X = κ.domain_x and k_Y = κ.domain_y.

        κ itself may be asymmetric and indefinite; what the machine needs are its features. With
        ``repair_x`` or ``repair_y`` κ's own values are the similarities of that domain.
        """
        if not isinstance(kernel, Kernel):
            raise kind_error(kernel, "kernel", Kernel)
        kernel_x = kernel if params.get("repair_x") else kernel.domain_x
        kernel_y = kernel if params.get("repair_y") else kernel.domain_y
        return cls(kernel_x=kernel_x, kernel_y=kernel_y, **params)

    def _data(self, samples: Samples, loss: Loss) -> tuple[dict[str, Any], float]:
        """Gram matrices, pairs, responses, loss and offsets, and the mean that responses are less.

        Kernels and domains are kept as they are now.
        """
        self.kernel_x_, repair_x = kernel_and_repair(self, "x")
        self.kernel_y_, repair_y = kernel_and_repair(self, "y")
        x, y, offsets, loss, mean = self._begin(samples, loss)
        if samples.weights is not None:
            refuse_learned(self)
        learn_weights(self, x, y, samples.pairs, samples.z)
        domains = (self.kernel_x_, x, repair_x), (self.kernel_y_, y, repair_y)
        (gram_x, self.repair_x_), (gram_y, self.repair_y_) = (
            learned(kernel, known, repair) if repair else (self._gram(kernel, known, samples), None)
            for kernel, known, repair in domains
        )
        data = {"gram_x": gram_x, "gram_y": gram_y, "loss": loss, "offsets": offsets}
        return data | {"pairs": samples.pairs, "z": samples.z}, mean

    def _gram(self, kernel: Kernel, known: Entities, samples: Samples) -> Gram:
        """What a problem is to know of a domain."""
        return gram(kernel, known)

    def _queries(self, X: Entities) -> np.ndarray:
        return self._kernel_rows_x(X) @ self.query_coef_

    def _keys(self, Y: Entities) -> np.ndarray:
        return self._kernel_rows_y(Y) @ self.key_coef_

    def _kernel_rows_x(self, X: Entities) -> np.ndarray:
        """k_X(X, X_fit), or features, one row per point."""
        known = self._known("X")
        return between(self.kernel_x_, X, known, self.repair_x_, self._by_features)

    def _kernel_rows_y(self, Y: Entities) -> np.ndarray:
        """k_Y(Y, Y_fit), or features, one row per point."""
        known = self._known("Y")
        return between(self.kernel_y_, Y, known, self.repair_y_, self._by_features)
