"""Ridge by least squares in explicit coordinates, which shares nothing with the library."""

import numpy as np


def root(kernel, points):
    """R with k(points, points) = R Rᵀ: coordinates of the points."""
    gram = kernel(points, points)
    return np.linalg.cholesky(gram + 1e-13 * np.trace(gram) * np.eye(len(gram)))


def predictions(R_X, R_Y, seen, z, new, alpha, *, constant=True, rows=None, columns=None):
    """h at ``new`` = (i, j) of the fit to z at ``seen`` = (i, j).

    ``rows``, ``columns``: a label of the effect of each row of R_X, of R_Y, or None.
    """

    def features(i, j):
        parts = [np.einsum("na,nb->nab", R_X[i], R_Y[j]).reshape(len(i), -1)]
        for labels, index in ((rows, i), (columns, j)):
            if labels is not None:
                parts.append(np.eye(labels.max() + 1)[labels[index]])
        penalized = np.hstack(parts)
        return np.hstack([penalized, np.full((len(i), int(constant)), 1.0)])

    A = features(*seen)
    penalty = np.sqrt(alpha) * np.eye(A.shape[1])[: A.shape[1] - int(constant)]
    right = np.concatenate([z, np.zeros(len(penalty))])
    w = np.linalg.lstsq(np.vstack([A, penalty]), right, rcond=None)[0]
    return features(*new) @ w


def left_out(R_X, R_Y, pairs, z, label, alpha, **offsets):
    """z − ẑ of all pairs, those of a label left out together."""
    out = np.empty(len(z))
    for name in np.unique(label):
        test = label == name
        seen, new = ((pairs.i[some], pairs.j[some]) for some in (~test, test))
        out[test] = z[test] - predictions(R_X, R_Y, seen, z[~test], new, alpha, **offsets)
    return out
