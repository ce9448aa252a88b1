"""Choices of a search at the edge of what it tried."""

from __future__ import annotations

import numbers
from typing import Any

from rkbs.machines._parameters import nested


def grid_edges(search: Any) -> dict[str, str]:
    """The chosen numbers that are the least or the greatest of several that a search tried.

    Beyond them there may be better ones: extend the grid there, where the parameter has such
    values. Parameters of kernels, losses, penalties and solvers count too: of ``kernel_x`` chosen
    from ``RBF(0.1)`` and ``RBF(1.0)`` it is ``kernel_x__tau``. Of ``kernel_x__weights`` these are
    the kernels' shares, ``kernel_x__weights[0]``, of which 0 and 1 have nothing beyond them, and
    the sum. Where candidates of one error are told apart by chance, an edge says nothing.

    Parameters
    ----------
    search : GridSearchCV, or another fitted search of scikit-learn

    Returns
    -------
    dict of str to str
        Empty where no choice is at an edge.

    Raises
    ------
    TypeError
        For what is no fitted search.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from rkbs import RBF, BinaryKernelRidge, PairKFold, Pairs
    >>> from rkbs.machines import grid_edges
    >>> x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> pairs, z = Pairs.grid(x, y), np.sin(5 * x + 2 * y.T).ravel()
    >>> grid = {"alpha": [0.01, 0.1, 1.0], "kernel_x": [RBF(0.1), RBF(10.0), RBF(1e3)]}
    >>> search = GridSearchCV(BinaryKernelRidge(RBF(), RBF()), grid, cv=PairKFold(4)).fit(pairs, z)
    >>> search.best_params_, grid_edges(search)
    ({'alpha': 0.01, 'kernel_x': RBF(tau=10.0)}, {'alpha': '0.01 is the least of 3'})
    """
    try:
        tried, best = search.cv_results_["params"], search.best_params_
    except AttributeError as error:
        raise TypeError(
            "search must be a fitted search of scikit-learn, such as GridSearchCV(…).fit(pairs, z),"
            f" got {type(search).__name__}: {error}"
        ) from error
    found, candidates = {}, [_numbers(params) for params in tried]
    for name, value in _numbers(best).items():
        seen = {each[name] for each in candidates if name in each}
        whole = name.endswith("]") and value in (0.0, 1.0)
        if len(seen) > 1 and value in (min(seen), max(seen)) and not whole:
            end = "least" if value == min(seen) else "greatest"
            found[name] = f"{value:.3g} is the {end} of {len(seen)}"
    return found


def _numbers(params: dict[str, Any]) -> dict[str, float]:
    """The parameters that are numbers, also those of what others consist of."""
    every: dict[str, Any] = {}
    for name, value in params.items():
        every |= nested(value, name)
    every |= params  # kernel_x__tau beside kernel_x is the one that was set
    for name in [name for name, value in every.items() if _are_weights(name, value)]:
        total = every[f"sum of {name}"] = sum(every[name])
        shares = (round(weight / total, 12) for weight in every[name])
        every |= {f"{name}[{k}]": share for k, share in enumerate(shares)}
    return {
        name: float(value)
        for name, value in every.items()
        if isinstance(value, numbers.Real) and not isinstance(value, bool)
    }


def _are_weights(name: str, value: Any) -> bool:
    """Whether these are the weights of several kernels; those that a fit learns have no values."""
    return name.endswith("__weights") and not isinstance(value, str)
