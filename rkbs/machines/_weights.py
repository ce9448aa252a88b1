"""Weights of several kernels that a fit is to learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rkbs.data._entities import Entities
from rkbs.data.pairs import Pairs
from rkbs.kernels.alignment import alignf
from rkbs.kernels.base import Kernel
from rkbs.kernels.weighted_sum import WeightedSum
from rkbs.machines._within import gram


def learn_weights(machine: Any, x: Entities, y: Entities, pairs: Pairs, z: np.ndarray) -> None:
    """Give ``kernel_x_`` and ``kernel_y_`` weights that the training pairs tell, where asked to.

    Parameters
    ----------
    machine : OperatorMachine
    x, y : Entities
        The points in use.
    pairs, z
        Over these.

    Raises
    ------
    ValueError
        For a machine that leaves out responses, which the weights would have seen.
    """
    for attribute, known in (("kernel_x_", x), ("kernel_y_", y)):
        kernel = getattr(machine, attribute)
        if not _learns(kernel):
            continue
        if machine._leaves_out:
            kind = type(machine).__name__
            raise ValueError(
                f'weights="alignf" of {attribute[:-1]} would be learned from all responses, also '
                f"those that {kind} leaves out: choose alpha by GridSearchCV("
                f"{kind.removesuffix('CV')}(…), …), which learns them in each fold, or pass weights"
            )
        Z = pairs.matrix(z, np.nan)
        setattr(machine, attribute, _weighted(kernel, known, Z if known is x else Z.T))


def refuse_learned(machine: Any) -> None:
    """``ValueError`` where weights of kernels would be learned from responses that have weights."""
    for name in ("kernel_x", "kernel_y"):
        if _learns(getattr(machine, name)):
            raise ValueError(
                f'weights="alignf" of {name} knows no sample_weight: learn them without, '
                f"machine.fit(pairs, z).{name}_.weights, and pass these numbers as weights"
            )


def learns_weights(machine: Any) -> bool:
    """Whether a fit learns weights from its responses."""
    return _learns(machine.kernel_x) or _learns(machine.kernel_y)


def _learns(kernel: Any) -> bool:
    return isinstance(kernel, WeightedSum) and kernel.learns_weights


def _weighted(kernel: WeightedSum, known: Entities, responses: np.ndarray) -> Kernel:
    found = alignf([gram(part, known) for part in kernel.kernels], responses)
    return replace(kernel, weights=tuple(found.tolist()))
