"""Kernel, the base of every kernel.

A kernel author writes one formula, ``formula`` (or ``log_formula`` for a positive kernel), and what
is known of the kernel's structure; argument checks, dtypes and overflow live here, once. The
algebra is in ``rkbs.kernels.algebra``; a plain function becomes a kernel by ``Custom``.
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from rkbs._arrays import Array, as_domains, is_tensor
from rkbs.kernels._pairwise import common_dtype, exponential, logarithm, rounded, unsaturated
from rkbs.kernels._parameters import is_scalar
from rkbs.kernels.structure import Structure

if TYPE_CHECKING:
    from torch import Tensor


def _algebra() -> ModuleType:
    # Imported late: the algebra's classes are kernels themselves.
    from rkbs.kernels import algebra

    return algebra


class Kernel(Structure, abc.ABC):
    """A kernel κ : X × Y → R on two domains; possibly asymmetric, indefinite or signed.

    Calling a kernel gives its rectangular Gram matrix K_ij = κ(x_i, y_j).

    A new kernel is a frozen dataclass with a ``formula``. Of its structure it says what is known:
    ``is_mercer``, ``is_symmetric``, ``is_positive``, ``is_nonnegative`` and ``feature_dim`` are
    None, unknown, by default, and what asks for them says which one it lacks.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from rkbs.kernels import Kernel
    >>> @dataclass(frozen=True)
    ... class Sigmoid(Kernel):
    ...     slope: float = 1.0
    ...     is_symmetric = True
    ...
    ...     def formula(self, x, y):
    ...         return np.tanh(self.slope * x @ np.swapaxes(y, -1, -2))
    >>> Sigmoid(0.5)([[1.0, 0.0]], [[2.0, 1.0], [0.0, 3.0]])
    array([[0.76159416, 0.        ]])
    """

    __array_ufunc__ = None  # numpy leaves array · kernel to the kernel, which refuses it

    @abc.abstractmethod
    def formula(self, x: Array, y: Array) -> Array:
        """The formula: (..., n, d_x), (..., m, d_y) → (..., n, m).

        Points may come in two dtypes and in half precision; values are float32 or wider. Finite
        tensors give finite values: see ``saturated``.
        """

    @overload
    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray: ...

    @overload
    def __call__(self, x: Tensor, y: Tensor) -> Tensor: ...

    @overload
    def __call__(self, x: ArrayLike, y: ArrayLike) -> np.ndarray: ...

    def __call__(self, x: Array, y: Array) -> Array:
        """K_ij = κ(x_i, y_j).

        Parameters
        ----------
        x : array of shape (..., n, d_x)
            Targets, numpy or torch. Leading axes are batch axes and broadcast.
        y : array of shape (..., m, d_y)
            Sources.

        Returns
        -------
        array of shape (..., n, m)

        Raises
        ------
        TypeError, ValueError
            For wrong dtypes or shapes, mismatched dimensions, NaN or infinity (numpy).
        OverflowError
            When a value leaves the range of the dtype (numpy; a tensor then holds inf, through
            which no gradient passes).

        Notes
        -----
        Half precision is computed in float32 and rounded once.
        """
        advice = "use kernel.log(x, y), or " if self.is_positive else ""
        return self._checked(self.formula, x, y, advice + "scale the points")

    @overload
    def log(self, x: np.ndarray, y: np.ndarray) -> np.ndarray: ...

    @overload
    def log(self, x: Tensor, y: Tensor) -> Tensor: ...

    @overload
    def log(self, x: ArrayLike, y: ArrayLike) -> np.ndarray: ...

    def log(self, x: Array, y: Array) -> Array:
        """log κ(x_i, y_j), the logit, finite where κ itself would overflow.

        Raises
        ------
        TypeError
            If the kernel is not known to be positive.
        """
        if self.is_positive is not True:
            raise TypeError(f"{self!r} is not a positive kernel and has no logarithm")
        return self._checked(self.log_formula, x, y, "scale the points")

    def log_formula(self, x: Array, y: Array) -> Array:
        """The logit; kernels that are always positive define it, others inherit this.

        Of a kernel that is non-negative it is −∞ at zeros: what a sum with it asks for.
        """
        return logarithm(self.formula(x, y))

    def _checked(self, formula: Callable, x: Array, y: Array, advice: str) -> Array:
        x, y = as_domains(x, y)
        dtype = common_dtype(x, y)
        if is_tensor(x):
            return rounded(unsaturated(formula(x, y)), dtype)
        if name := _tensor_parameter(self):
            raise TypeError(f"{name} is a torch tensor, but x and y are numpy arrays: pass tensors")
        with np.errstate(over="ignore", invalid="ignore"):
            gram = rounded(formula(x, y), dtype)
        if not np.isfinite(gram).all():
            raise OverflowError(f"{self!r} overflows {gram.dtype} on these x, y: {advice}")
        return gram

    @property
    def domain_x(self) -> Kernel:
        """k_X(x, x') = ⟨Φ_X(x), Φ_X(x')⟩ of the kernel's own features (theory §2).

        Raises
        ------
        ValueError
            Where the features are not known.
        """
        if self.is_mercer:
            return self
        raise _without_features(self)

    @property
    def domain_y(self) -> Kernel:
        """k_Y(y, y') = ⟨Φ_Y(y), Φ_Y(y')⟩ of the kernel's own features; see ``domain_x``."""
        if self.is_mercer:
            return self
        raise _without_features(self)

    def _told(self, same: Callable[[], np.ndarray]) -> Kernel:
        """The kernel for points of which it is known which are one entity; see ``Identity``.

        Parameters
        ----------
        same : callable
            Gives the (n, m) truth values of "x_i and y_j are one entity"; called if asked for.

        Returns
        -------
        Kernel
            This very object, if nothing in it asks.
        """
        told = {
            name: part
            for name, value in vars(self).items()
            if (part := _tell(value, same)) is not value
        }
        if not told:
            return self
        kernel = copy.copy(self)
        for name, part in told.items():
            object.__setattr__(kernel, name, part)
        return kernel

    def __add__(self, other: Kernel) -> Kernel:
        return _algebra().Sum(self, other) if isinstance(other, Kernel) else NotImplemented

    def __mul__(self, other: Kernel | float) -> Kernel:
        if isinstance(other, Kernel):
            return _algebra().Product(self, other)
        return _algebra().Scaled(self, other) if is_scalar(other) else NotImplemented

    def __rmul__(self, other: float) -> Kernel:
        return self * other

    def __neg__(self) -> Kernel:
        return _algebra().Scaled(self, -1.0)

    @property
    def T(self) -> Kernel:  # noqa: N802 - the transpose's name everywhere
        """κᵀ(y, x) = κ(x, y)."""
        return _algebra().Transpose(self)

    def pullback(self, map_x: Any = None, map_y: Any = None) -> Kernel:
        """κ(map_x(x), map_y(y)): this is where W^Q ≠ W^K enters.

        Parameters
        ----------
        map_x, map_y : callable, matrix of shape (d, d_x) or (d, d_y), or None
            A matrix W acts as x ↦ W x; None is the identity.
        """
        from rkbs.kernels.pullback import Pullback, as_map  # late, as the algebra

        return Pullback(self, as_map(map_x, "map_x"), as_map(map_y, "map_y"))


class PositiveKernel(Kernel):
    """A kernel defined by its logit: κ = exp(log κ), so that softmax never overflows.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from rkbs.kernels import PositiveKernel
    >>> @dataclass(frozen=True)
    ... class Exponential(PositiveKernel):
    ...     def log_formula(self, x, y):
    ...         return x @ y.mT
    >>> Exponential().log([[40.0]], [[2.0], [50.0]]), Exponential()([[0.0]], [[2.0]])
    (array([[  80., 2000.]]), array([[1.]]))
    """

    is_positive = True

    @abc.abstractmethod
    def log_formula(self, x: Array, y: Array) -> Array:
        """The formula of log κ."""

    def formula(self, x: Array, y: Array) -> Array:
        return exponential(self.log_formula(x, y))


def _without_features(kernel: Kernel) -> ValueError:
    return ValueError(
        f"{kernel!r} has no known features, hence no within-domain kernel: choose one for each "
        "domain, such as RBF(), and pass the two as kernel_x and kernel_y"
    )


def _tell(value: Any, same: Callable[[], np.ndarray]) -> Any:
    """``Kernel._told`` of a kernel's part, or of several; anything else unchanged."""
    if isinstance(value, Kernel):
        return value._told(same)
    if type(value) not in (tuple, list):
        return value
    parts = type(value)(_tell(part, same) for part in value)
    changed = any(a is not b for a, b in zip(parts, value, strict=True))
    return parts if changed else value


def _tensor_parameter(kernel: Kernel) -> str | None:
    """The name of a parameter that is a tensor, in the kernel or in those it is made of."""
    for name, value in vars(kernel).items():
        if is_tensor(value):
            return f"{type(kernel).__name__}({name}=…)"
    return next(filter(None, map(_tensor_parameter, parts_of(kernel))), None)


def parts_of(kernel: Kernel) -> Iterator[Kernel]:
    """The kernels that a kernel is made of, one by one or in tuples."""
    for value in vars(kernel).values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(part, Kernel):
                yield part
