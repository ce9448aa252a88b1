"""What tests of machines start from."""

import numpy as np


def data(n_x=15, n_y=12, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n_x, 3)), rng.standard_normal((n_y, 2))
    Z = np.sin(X[:, :1] + Y[:, 0]) + 0.5 * X[:, 1:2] * Y[:, 1]
    return X, Y, Z
