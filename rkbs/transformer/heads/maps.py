"""The maps of an attention module, head by head, and the kernel that they make."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from rkbs._arrays import Array, SameArray, is_tensor
from rkbs.kernels._parameters import ARRAY, parameter_kinds
from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP
from rkbs.kernels.key_norm import KeyNormBias
from rkbs.kernels.pullback import LinearMap


@final
@dataclass(frozen=True, eq=False, repr=False)
class AffineMap:
    """x ↦ W x + b on the last axis: the map of a head that has a bias.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.kernels.pullback import LinearMap
    >>> from rkbs.transformer.heads.maps import AffineMap
    >>> AffineMap(LinearMap(np.array([[1.0, 2.0]])), np.array([0.5]))(np.array([[3.0, 4.0]]))
    array([[11.5]])
    """

    linear: LinearMap
    bias: Array = dataclasses.field(metadata=ARRAY)

    def __repr__(self) -> str:
        return f"AffineMap({self.linear!r}, bias)"

    def __call__(self, x: SameArray) -> SameArray:
        image: Any = self.linear(x)
        bias = self.bias
        if is_tensor(image):
            bias = torch.as_tensor(bias, dtype=image.dtype, device=image.device)
        return image + bias

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AffineMap):
            return NotImplemented
        return self.linear == other.linear and np.array_equal(self.bias, other.bias)

    def __hash__(self) -> int:
        return hash(self.linear)


@final
@dataclass(frozen=True, eq=False)
class Part:
    """One of the three maps of a module: (heads, d, C), and its bias (heads, d) or None."""

    weight: Tensor
    bias: Tensor | None = None

    @classmethod
    def of(cls, rows: Tensor, bias: Tensor | None, heads: int) -> Part:
        """Of a matrix (heads · d, C) whose rows are those of one head after another."""
        bias = None if bias is None else bias.detach().reshape(heads, -1)
        return cls(rows.detach().reshape(heads, -1, rows.shape[-1]), bias)

    def of_heads(self, places: Sequence[int]) -> Part:
        """Of some heads in another order."""
        bias = None if self.bias is None else self.bias[list(places)]
        return Part(self.weight[list(places)], bias)

    @property
    def heads(self) -> int:
        """How many."""
        return self.weight.shape[0]

    @property
    def biased(self) -> bool:
        """Whether there is a bias other than 0."""
        return self.bias is not None and bool((self.bias != 0).any())

    def of_points(self, z: Tensor) -> Tensor:
        """(B, n, C) → (B, heads, n, d)."""
        image = torch.einsum("hdc,bnc->bhnd", self.weight.to(z.dtype), z)
        return image if self.bias is None else image + self.bias[:, None].to(z.dtype)

    def matrix(self, head: int) -> np.ndarray:
        """(d, C) in double precision."""
        found: np.ndarray = self.weight[head].double().numpy(force=True)
        return found

    def map(self, head: int, factor: float) -> LinearMap | AffineMap:
        """The head's map times a factor."""
        linear = LinearMap(factor * self.matrix(head))
        if self.bias is None or not self.biased:
            return linear
        return AffineMap(linear, factor * self.bias[head].double().numpy(force=True))


@final
@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """What an attention module does, as far as its structure tells.

    Its logits are κ's of ``factor`` · q and ``factor`` · k.

    Attributes
    ----------
    path, module
        Its name in the model, and itself.
    query, key, value : Part
        Of H heads, and of G ≤ H heads, each of which serves H/G of the queries.
    kernel : Kernel or None
        κ; parameters may be of shape (H,). None where it is not known.
    factor : float
    kind : str
        Whose module it is, "rkbs", "torch" or "other": what its masks mean.
    out : nn.Module or None
        What heads give goes into it; None where the module returns it.
    tied : bool
        W_Q = W_K as one parameter.
    crosses : bool
        Whether keys are of other points than queries, as far as names tell.
    reason : str
        Why no form M = W_Qᵀ W_K makes the logits; empty where one does.
    """

    path: str
    module: nn.Module
    query: Part
    key: Part
    value: Part
    kernel: Kernel | None
    factor: float
    kind: str
    out: nn.Module | None = None
    tied: bool = False
    crosses: bool = False
    reason: str = ""

    @property
    def heads(self) -> int:
        return self.query.heads

    @property
    def group_size(self) -> int:
        """How many heads share a key map."""
        return self.heads // self.key.heads

    @property
    def dimension(self) -> int:
        """d."""
        return self.query.weight.shape[1]

    @property
    def eps(self) -> float:
        """Of the dtype that the weights are of."""
        return torch.finfo(self.query.weight.dtype).eps

    @property
    def logit_scale(self) -> float:
        """Logits of EDP are this times q·k."""
        return self.factor**2 / math.sqrt(self.dimension)

    @property
    def is_softmax(self) -> bool:
        """Whether weights are softmax of the products q·k, and of nothing else."""
        return isinstance(self.kernel, EDP) and not self.reason

    def kernel_of(self, head: int) -> Kernel | None:
        """κ of the module's inputs in one head; None where there is none."""
        if self.kernel is None or self.reason:
            return None
        maps = self.query.map(head, self.factor), self.key.map(head // self.group_size, self.factor)
        return of_head(self.kernel, head).pullback(*maps)

    def is_mercer(self, kernel: Kernel | None, is_semidefinite: bool | None) -> bool | None:
        """Whether some Mercer kernel has the head's weights; None where that is not known.

        Weights leave a factor for each query free. A bias of the queries' map, and one of keys'
        norms, is a factor for each key, and with the same one for queries it is symmetric: so it is
        M that decides, for exp of a product.
        """
        if kernel is None or is_semidefinite is None:
            return None
        own = self.kernel.kernel if isinstance(self.kernel, KeyNormBias) else self.kernel
        return is_semidefinite if isinstance(own, EDP) else kernel.is_mercer


def of_head(kernel: Kernel, head: int) -> Kernel:
    """The kernel of one head: its parameters as numbers, arrays as numpy's."""
    kinds: dict[str, str] = parameter_kinds(kernel)
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(kernel):
        value = getattr(kernel, field.name)
        if isinstance(value, Kernel):
            changes[field.name] = of_head(value, head)
        elif kinds.get(field.name) == "array" and is_tensor(value):
            changes[field.name] = value.double().numpy(force=True)
        elif field.name in kinds:
            numbers = np.ravel(value.numpy(force=True) if is_tensor(value) else value)
            changes[field.name] = float(numbers[head if len(numbers) > 1 else 0])
    return dataclasses.replace(kernel, **changes)
