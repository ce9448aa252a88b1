"""A made table of kinase data: similarities that tell of responses, and targets that are one."""

import numpy as np

from rkbs import RBF
from rkbs.data import KinaseBinding
from rkbs.data.davis import TEST


def made(n_x=15, n_y=24, seed=0, noise=0.2):
    """Drugs × targets, of which the last four have the sequences of the first four."""
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n_x, 2)), rng.normal(size=(n_y, 2))
    Y[-4:] = Y[:4]
    z = np.sin(X[:, :1]) * Y[:, 0] + X[:, 1:] + Y[:, 1] + noise * rng.normal(size=(n_x, n_y)) + 5
    length = rng.uniform(1, 9, n_y)
    length[-4:] = length[:4]
    fold = (rng.permutation(z.size) % 6 + TEST).reshape(z.shape)
    return KinaseBinding(z, RBF(0.5)(X, X), RBF(0.5)(Y, Y) * np.outer(length, length), fold)
