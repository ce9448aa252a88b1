"""The kernels within the two domains, and what to write where one is none."""

from __future__ import annotations

from typing import Any

from rkbs._arrays import kind_error
from rkbs.kernels import RBF, Kernel, Precomputed
from rkbs.kernels.precomputed import repair


def within_domain(kernel: Any, name: str, machine: type) -> Kernel:
    """The kernel of one domain, ``RBF()`` for None.

    Raises
    ------
    TypeError
        For what is no kernel.
    ValueError
        For a kernel that is known not to be Mercer: what it lacks, and what to write instead.
    """
    if kernel is None:
        return RBF()
    if not isinstance(kernel, Kernel):
        raise kind_error(kernel, name, Kernel, " or None")
    if kernel.is_mercer is not False:
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
            "choose a Mercer kernel, such as RBF() or Laplace(), or make its Gram matrix one: "
            "G = kernel(X, X); G = (G + G.T) / 2; G = G - np.linalg.eigvalsh(G)[0] * "
            "np.eye(len(G)), and pass Precomputed(G) with the points Precomputed.points(len(G))"
        )
    return (
        f"as a binary kernel κ(x, y) it enters by its within-domain kernels {own[0]!r} and "
        f"{own[1]!r}, by {machine.__name__}.from_kernel(κ)"
    )
