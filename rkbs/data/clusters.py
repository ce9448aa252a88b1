"""Groups of similar points, to be left out together."""

from __future__ import annotations

from typing import Any

import numpy as np

from rkbs._arrays import as_matrix, check_number


def similarity_clusters(similarity: Any, at_least: float) -> np.ndarray:
    """The connected components of the graph that links points of similarity ≥ ``at_least``.

    Points in different clusters have less similarity than that, in both directions; points in one
    are linked by a chain, whose ends may be less similar. With cross-validation over such clusters
    (``PairKFold(groups_x=…)``) no point to test has so similar a one in training.

    Parameters
    ----------
    similarity : array of shape (n, n)
        Of any scale, symmetric or not: one direction links.
    at_least : float

    Returns
    -------
    int array of shape (n,)
        The cluster of each point, numbered from 0 in the order of their first points.

    Raises
    ------
    TypeError, ValueError
        For what is no finite square matrix, and no finite number.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.data import similarity_clusters
    >>> x = np.array([0.0, 5.0, 0.2, 0.4, 9.0])
    >>> similarity_clusters(-np.abs(x[:, None] - x), at_least=-0.3)
    array([0, 1, 0, 0, 2])
    """
    from scipy.sparse import coo_array  # late: rkbs is light to import
    from scipy.sparse.csgraph import connected_components

    matrix = as_matrix(similarity, "similarity")
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"similarity must be a square matrix, got shape {matrix.shape}")
    linked = coo_array(matrix >= check_number(at_least, "at_least"))
    labels = connected_components(linked, directed=False)[1]
    _, first, cluster = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[cluster]
