"""The kernels within the two domains, and what to write where one is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rkbs._arrays import first_equal, kind_error
from rkbs._linalg import Eigen
from rkbs.data._entities import Entities
from rkbs.kernels._parameters import head_parameter
from rkbs.kernels.base import Kernel, parts_of
from rkbs.kernels.distance import RBF
from rkbs.kernels.low_rank import LowRank
from rkbs.kernels.precomputed import Precomputed, repair
from rkbs.kernels.repair import Repair, Repaired, as_repair
from rkbs.problems._grams import checked_gram


def kernel_and_repair(machine: Any, domain: str) -> tuple[Kernel, Repair | None]:
    """The kernel within the domain x or y of a machine, and what repairs its Gram matrix."""
    name, repair = f"kernel_{domain}", f"repair_{domain}"
    found = as_repair(getattr(machine, repair), repair)
    kernel = within_domain(getattr(machine, name), name, type(machine), found is not None)
    return kernel, found


def within_domain(kernel: Any, name: str, machine: type, repaired: bool = False) -> Kernel:
    """The kernel of one domain, ``RBF()`` for None; any, where its Gram matrix is ``repaired``.

    Raises
    ------
    TypeError
        For what is no kernel.
    ValueError
        For a kernel that is known not to be Mercer: what it lacks, and what to write instead. For
        one with a parameter for each head.
    """
    if kernel is None:
        return RBF()
    if not isinstance(kernel, Kernel):
        raise kind_error(kernel, name, Kernel, " or None")
    if found := head_parameter(kernel):
        raise ValueError(
            f"{name}={kernel!r} has a value for each head in {found}, but a machine's points have "
            "no axis of heads: pass a number"
        )
    if repaired or kernel.is_mercer is not False:
        return kernel
    if isinstance(kernel, Precomputed):
        raise ValueError(f"{name}={kernel!r} is no Mercer kernel: {repair(kernel.matrix)}")
    raise ValueError(
        f"{name} must be a Mercer kernel within its domain, but {kernel!r} is not symmetric "
        f"positive semi-definite: {_instead(kernel, machine)}"
    )


def _instead(kernel: Kernel, machine: type) -> str:
    """What to write instead of a kernel that is not Mercer."""
    try:
        own = kernel.domain_x, kernel.domain_y
    except ValueError:
        return (
            "choose a Mercer kernel, such as RBF() or Laplace(), let the machine repair what are "
            'similarities, repair_x="shift" (repair_y for Y), or make its Gram matrix one: '
            "G = kernel(X, X); G = (G + G.T) / 2; G = G - np.linalg.eigvalsh(G)[0] * "
            "np.eye(len(G)), and pass Precomputed(G) with the points Precomputed.points(len(G))"
        )
    return (
        f"as a binary kernel κ(x, y) it enters by its within-domain kernels {own[0]!r} and "
        f"{own[1]!r}, by {machine.__name__}.from_kernel(κ)"
    )


def gram(kernel: Kernel, known: Entities) -> np.ndarray:
    """k(X, X), with equal rows for equal points, which a matrix product may round differently.

    For a kernel that asks who is who, with equal rows for one entity.
    """
    told = kernel._told(lambda: known.same(known))
    values = told(known.points, known.points)
    same = first_equal(known.points) if told is kernel else known.first()
    return values[np.ix_(same, same)] if (np.bincount(same) > 1).any() else values


def decomposed(kernel: Kernel, known: Entities) -> Eigen:
    """The eigendecomposition of ``gram``, which is gone."""
    name = f"gram_{known.domain.lower()}"
    matrix = checked_gram(gram(kernel, known), name, len(known.points))
    if matrix.dtype != float:
        return Eigen.of(matrix, name)
    own = np.array(matrix, order="F")  # the kernel may have kept the other
    del matrix
    return Eigen.of(own, name, overwrite=True)


def learned(kernel: Kernel, known: Entities, repair: Repair) -> tuple[np.ndarray, Repaired]:
    """``gram``, repaired, and what was changed."""
    found = repair.learn(gram(kernel, known), known.first())
    return found.gram, found


def between(
    kernel: Kernel, new: Entities, known: Entities, repaired: Repaired | None, by_features: bool
) -> np.ndarray:
    """k(X, X_fit), or the features of a kernel of low rank, one row per new point.

    Raises
    ------
    ValueError
        For another number of features than in the fit, or where a kernel asks who is who and the
        ids do not say.
    """
    d, fitted = new.points.shape[1], known.points.shape[1]
    columns = [table.matrix.shape[1] for table in tables_of(kernel)]
    if d != fitted and columns != [d]:  # similarities to the objects of the one matrix in it
        rows = f": pass these, or {sum(columns)} similarities to the objects of its matrix"
        raise ValueError(
            f"{new.domain} has {d} features, but the machine was fitted with {fitted} in that "
            f"domain{rows * (len(columns) == 1)}"
        )
    new = replace(new, points=new.points.astype(float))
    if by_features and repaired is None and isinstance(kernel, LowRank):
        return kernel.features(new.points)
    rows = kernel._told(lambda: new.same(known))(new.points, known.points)
    if repaired is None:
        return rows
    return repaired.rows(rows, new.same(known) if repaired.tells_training_objects else None)


def tables_of(kernel: Kernel) -> list[Precomputed]:
    """The matrices that a kernel is made of."""
    if isinstance(kernel, Precomputed):
        return [kernel]
    return [table for part in parts_of(kernel) for table in tables_of(part)]
