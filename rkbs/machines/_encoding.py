"""Objects as JSON and arrays, and back: of known classes alone, by their names."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator

from rkbs._arrays import is_tensor
from rkbs._frames import to_numpy
from rkbs.kernels.algebra import Product, Scaled, Sum, Transpose
from rkbs.kernels.capped_edp import CappedEDP
from rkbs.kernels.custom import Custom
from rkbs.kernels.distance import RBF, Cauchy, ExponentiatedIntersection, L2Distance, Laplace
from rkbs.kernels.dot_product import EDP, Linear, Quadratic, TaylorEDP
from rkbs.kernels.entity import Constant, Identity
from rkbs.kernels.features import MappedFeatures, PowerFeatures
from rkbs.kernels.key_norm import KeyNormBias, _BothNormsBias
from rkbs.kernels.low_rank import LeftOut, LowRank
from rkbs.kernels.pairwise import PairwiseProduct, PairwiseSum
from rkbs.kernels.positive_features import PositiveFeatures
from rkbs.kernels.precomputed import Precomputed
from rkbs.kernels.pullback import LinearMap, Pullback
from rkbs.kernels.repair import Clip, Flip, Repaired, Shift, Symmetrize
from rkbs.kernels.tanimoto import Tanimoto
from rkbs.kernels.weighted_sum import WeightedSum
from rkbs.machines.intervals import Intervals, LeaveOutErrors
from rkbs.machines.pairwise import PairwiseKernelRidge
from rkbs.machines.posterior import Posterior
from rkbs.machines.ridge import BinaryKernelRidge
from rkbs.machines.ridge_cv import BinaryKernelRidgeCV
from rkbs.machines.spectral import BinaryKernelMachine
from rkbs.machines.spectral_cv import BinaryKernelMachineCV
from rkbs.problems.certificates import GapCertificate, KKTCertificate
from rkbs.solvers.operators.admm import ADMM
from rkbs.solvers.operators.backends import NumpyBackend, TorchBackend
from rkbs.solvers.operators.dense import Cholesky
from rkbs.solvers.operators.factorized import Factorized
from rkbs.solvers.operators.incomplete import ConjugateGradient
from rkbs.solvers.operators.pairwise import PairwiseConjugateGradient
from rkbs.solvers.operators.refined import RefinedConjugateGradient
from rkbs.solvers.operators.spectral import Spectral
from rkbs.solvers.operators.spectral_newton import SpectralNewton
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared
from rkbs.terms.spectral_penalties import Schatten
from rkbs.terms.weighted import Weighted

MACHINES = (
    *(BinaryKernelMachine, BinaryKernelMachineCV, BinaryKernelRidge, BinaryKernelRidgeCV),
    PairwiseKernelRidge,
)
KERNELS = (
    *(EDP, RBF, CappedEDP, Cauchy, Constant, ExponentiatedIntersection, Identity, KeyNormBias),
    *(L2Distance, Laplace, Linear, LowRank, PositiveFeatures, Precomputed, Product, Pullback),
    *(Quadratic, Scaled, Sum, Tanimoto, TaylorEDP, Transpose, WeightedSum, _BothNormsBias),
)
PARTS = (
    *(Intervals, LeaveOutErrors, Posterior, LinearMap, MappedFeatures, PowerFeatures),
    *(Clip, Flip, Shift, Symmetrize, Repaired, LeftOut, GapCertificate, KKTCertificate),
    *(EpsilonInsensitive, Hinge, Huber, Logistic, Squared, Weighted, Schatten),
    *(ADMM, Cholesky, ConjugateGradient, Factorized, PairwiseConjugateGradient),
    *(RefinedConjugateGradient, Spectral, SpectralNewton, NumpyBackend, TorchBackend),
    *(PairwiseProduct, PairwiseSum),
)
DRAWN: dict[type, str] = {LowRank: "_drawn"}
"""What a class has computed that another machine's rounding could decide otherwise."""
_FITTED = re.compile(r"[A-Za-z]\w*_")
_NUMBERS = "biufcSUmM"
"""Kinds of dtypes that hold no Python objects."""


def known_classes(classes: Iterable[type]) -> dict[str, type]:
    """The classes that a file may name: those of rkbs, and some more.

    Raises
    ------
    TypeError, ValueError
        For what is no frozen dataclass, and for a name that is taken.
    """
    known: dict[str, type] = {cls.__name__: cls for cls in (*MACHINES, *KERNELS, *PARTS)}
    for cls in classes:
        if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
            raise TypeError(f"classes must hold dataclasses, such as kernels, got {cls!r:.60}")
        if known.setdefault(cls.__name__, cls) is not cls:
            raise ValueError(
                f"classes holds {cls!r}, but {cls.__name__} is a class of rkbs: rename it"
            )
    return known


class Encoder:
    """Values as JSON, with the numbers of the arrays and of the objects that they are made of.

    What occurs twice is kept once. Objects come after those that they are made of.
    """

    def __init__(self, known: dict[str, type]) -> None:
        self.known = known
        self.arrays: list[np.ndarray] = []
        self.objects: list[dict[str, Any]] = []
        self._given: list[Any] = []

    def value(self, value: Any, where: str) -> Any:
        """The JSON of a value.

        Raises
        ------
        TypeError
            For what a file cannot keep, naming where it is.
        """
        if isinstance(value, np.generic):
            return self._scalar(value, where)
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if type(value) is bytes:
            return {"bytes": value.hex()}
        if type(value) in (list, tuple):
            items = [self.value(item, f"{where}[{k}]") for k, item in enumerate(value)]
            return items if type(value) is list else {"tuple": items}
        if type(value) is np.ndarray:
            return self._array(value, where)
        if type(value) is csr_array:
            parts = (value.data, value.indices, value.indptr, value.shape)
            return {"sparse": self.value(parts, where)}
        if type(value) is range or is_tensor(value) or hasattr(value, "__array__"):
            return self._array(to_numpy(value, where), where)  # α of a data frame, for instance
        return {"object": self._object(value, where)}

    def _scalar(self, value: np.generic, where: str) -> Any:
        if value.dtype.kind not in "biufSU":
            raise _unkept(value, where)
        item = value.item()
        if isinstance(item, np.generic):  # long doubles, of which rkbs takes what a float holds
            return self.value(float(item), where)
        return {"scalar": [value.dtype.str, self.value(item, where)]}

    def _array(self, array: np.ndarray, where: str) -> Any:
        if array.dtype == object and array.ndim == 1:
            return {"labels": [self.value(v, f"{where}[{k}]") for k, v in enumerate(array)]}
        if array.dtype.kind not in _NUMBERS:
            raise _unkept(array, where)
        kept = to_numpy(array, where) if array.dtype.kind == "f" else array  # no long doubles
        return {"array": _number(self.arrays, kept)}

    def _object(self, owner: Any, where: str) -> int:
        name = type(owner).__name__
        if self.known.get(name) is not type(owner):
            raise _unkept(owner, where)
        for k, given in enumerate(self._given):
            if given is owner:
                return k
        fields = {
            part: self.value(value, f"{where}.{part}" if where else part)
            for part, value in _fields(owner).items()
        }
        self._given.append(owner)
        self.objects.append({"class": name, "fields": fields})
        return len(self.objects) - 1


def decoded(objects: list[dict[str, Any]], arrays: list[np.ndarray], known: dict[str, type]) -> Any:
    """The last of the objects, made of the others and of the arrays."""
    made: list[Any] = []

    def value(coded: Any) -> Any:
        if isinstance(coded, list):
            return [value(item) for item in coded]
        if not isinstance(coded, dict):
            return coded
        ((kind, content),) = coded.items()
        return readers[kind](content)

    def labels(content: list[Any]) -> np.ndarray:
        found = [value(item) for item in content]
        return np.fromiter(found, dtype=object, count=len(found))  # tuples stay whole

    def sparse(content: Any) -> csr_array:
        *parts, shape = value(content)
        return csr_array(tuple(parts), shape=shape)

    readers: dict[str, Callable[[Any], Any]] = {
        "scalar": lambda content: np.dtype(content[0]).type(value(content[1])),
        "float": float,
        "bytes": bytes.fromhex,
        "tuple": lambda content: tuple(value(item) for item in content),
        "array": arrays.__getitem__,
        "labels": labels,
        "sparse": sparse,
        "object": made.__getitem__,
    }
    for coded in objects:
        fields = {name: value(content) for name, content in coded["fields"].items()}
        made.append(_made(known[coded["class"]], fields))
    return made[-1]


def _fields(owner: Any) -> dict[str, Any]:
    """What an object is made again from."""
    if isinstance(owner, BaseEstimator):
        return vars(owner)
    fields = {
        part.name: getattr(owner, part.name) for part in dataclasses.fields(owner) if part.init
    }
    drawn = DRAWN.get(type(owner))
    return fields | ({drawn: getattr(owner, drawn)} if drawn else {})


def _made(cls: Any, fields: dict[str, Any]) -> Any:
    if not issubclass(cls, BaseEstimator):
        drawn = {name: fields.pop(name) for name in (DRAWN.get(cls),) if name}
        owner = cls(**fields)
        for name, value in drawn.items():
            object.__setattr__(owner, name, value)
        return owner
    machine = cls(**{name: fields.pop(name) for name in cls._get_param_names()})
    for name, value in fields.items():
        if not _FITTED.fullmatch(name):
            raise ValueError(f"{name!r} is no attribute of a fit")
        setattr(machine, name, value)
    return machine


def _number(kept: list[Any], item: Any) -> int:
    """The place of this very item in a list, at whose end it is put where it is new."""
    for k, other in enumerate(kept):
        if other is item:
            return k
    kept.append(item)
    return len(kept) - 1


def _unkept(value: Any, where: str) -> TypeError:
    """The error of what a file cannot keep, with what to do."""
    cls = type(value)
    start = f"a file cannot keep {where}, "
    if isinstance(value, Custom) or (callable(value) and not dataclasses.is_dataclass(value)):
        return TypeError(
            f"{start}which is a Python function ({value!r:.60}): a map may be a matrix; write a "
            "kernel as a class, a frozen dataclass with a formula, and pass classes=[…] with it to "
            "save and to load"
        )
    if dataclasses.is_dataclass(cls):
        return TypeError(
            f"{start}an object of the class {cls.__name__}, which is none that rkbs keeps: pass "
            f"classes=[{cls.__name__}] to save and to load"
        )
    if where.startswith("ids_") or ".ids_" in where:
        return TypeError(
            f"{start}an id of the class {cls.__name__}: fit pairs whose ids are strings, numbers, "
            "or tuples of them"
        )
    return TypeError(
        f"{start}an object of the class {cls.__name__}: it keeps numbers, strings, tuples, lists, "
        "arrays of numpy and what rkbs makes of them"
    )
