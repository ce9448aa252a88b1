"""What a machine chooses α from, and what it has to say of its choice."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from rkbs._arrays import as_real, check_number
from rkbs._frames import is_tensor


def warn_uncertified(alphas: Sequence[float], where: str) -> None:
    """``ConvergenceWarning`` that names the α without a certificate; nothing where there is none.

    Parameters
    ----------
    alphas : sequence of float
        The α that were left out of the choice.
    where : str
        Which fits they failed in: "in the fit to all pairs", "in some fold".
    """
    if len(alphas):
        names = ", ".join(f"{alpha:.3g}" for alpha in alphas)
        warnings.warn(
            f"not certified {where}, and left out of the choice: alpha = {names}. Pass alphas "
            "without them, or a solver with a larger tol or max_iter where the machine takes one",
            ConvergenceWarning,
            stacklevel=3,
        )


def warn_end_of_path(alpha: float, alphas: Sequence[float]) -> None:
    """``UserWarning`` where α is the smallest or the largest of several: there may be better ones.

    Parameters
    ----------
    alpha : float
        The chosen α.
    alphas : sequence of float
        All that there were to choose from.
    """
    least, greatest = min(alphas), max(alphas)
    if least < greatest and alpha in (least, greatest):
        end, other = ("smallest", "smaller") if alpha == least else ("largest", "larger")
        warnings.warn(
            f"the chosen alpha = {alpha:.3g} is the {end} of the {len(alphas)} on the path: extend "
            f"alphas to {other} ones, of which one may predict better",
            UserWarning,
            stacklevel=3,
        )


def check_alphas(alphas: Any) -> list[float]:
    """A non-empty sequence of positive numbers, as a list; else an error that names ``alphas``."""
    if not np.iterable(alphas) or isinstance(alphas, str):
        raise TypeError(f"alphas must be a sequence of numbers, got {alphas!r}")
    if is_tensor(alphas) or hasattr(alphas, "__array__"):
        alphas = as_real(alphas, "alphas").tolist()
    checked = [check_number(alpha, "alphas", above=0.0) for alpha in alphas]
    if not checked:
        raise ValueError("alphas must hold at least one α, got none")
    return checked
