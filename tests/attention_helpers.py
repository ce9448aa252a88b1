"""Attention written out in float64, without rkbs, and inputs: what its tests compare with."""

import torch


def _dots(q, k):
    return (q[..., :, None, :] * k[..., None, :, :]).sum(-1) / q.shape[-1] ** 0.5


def _differences(q, k):
    return q[..., :, None, :] - k[..., None, :, :]


GRAMS = {
    "edp": lambda q, k: _dots(q, k).exp(),
    "rbf": lambda q, k: (-_differences(q, k).square().sum(-1) / q.shape[-1] ** 0.5).exp(),
    "l2": lambda q, k: _differences(q, k).square().sum(-1).sqrt() / q.shape[-1] ** 0.5,
    "laplace": lambda q, k: (-_differences(q, k).abs().sum(-1)).exp(),
    "ei": lambda q, k: torch.minimum(q[..., :, None, :], k[..., None, :, :]).sum(-1).exp(),
    "quadratic": lambda q, k: (_dots(q, k) + 1).square(),
    "identity": lambda q, k: (_differences(q, k) == 0).all(-1).double(),
    "constant": lambda q, k: (0 * _dots(q, k)).exp(),
    "capped": lambda q, k: _dots(q, k).tanh().exp(),
    "key-norm": lambda q, k: (_dots(q, k) - _dots(k, k).diagonal(0, -2, -1)[..., None, :]).exp(),
    "cauchy": lambda q, k: 1 / (1 + _differences(q, k).square().sum(-1) / q.shape[-1] ** 0.5),
    "taylor-4": lambda q, k: sum(_dots(q, k) ** n / (1, 1, 2, 6, 24)[n] for n in range(5)),
}
"""Of the kernels of the same short names at default parameters."""


def plain(q, k, v, gram="edp", mask=None):
    """Σ_j κ_ij e^{mask_ij} v_j / Σ_j κ_ij e^{mask_ij}; κ by short name, or a function."""
    q, k, v = (x.double() for x in (q, k, v))
    weights = (GRAMS[gram] if isinstance(gram, str) else gram)(q, k)
    if mask is not None:
        shown = mask if mask.dtype == torch.bool else mask > -torch.inf
        factor = 1.0 if mask is shown else mask.double().exp()
        weights = torch.where(shown, weights * factor, 0.0)
    total = weights.sum(-1, keepdim=True)
    return (weights / torch.where(total == 0, 1.0, total)) @ v


def off(found, expected):
    """max |found − expected| / max |expected|; infinite where nothing is expected but zeros."""
    found, expected = found.detach().double(), expected.detach().double()
    assert found.shape == expected.shape
    size, most = expected.abs().max(), (found - expected).abs().max()
    return float(most / size) if size > 0 else float("inf")


# ---- inputs

POSITIVE = {
    *("edp", "rbf", "ei", "taylor-4", "laplace", "constant", "capped", "key-norm", "cauchy"),
}
NONNEGATIVE = {"l2", "quadratic"}
EQUAL = {
    "identity"
}  # non-negative, and 0 for all queries that are no key: see the end of test_functional.py
KERNELS_OF_DOTS = {
    *("edp", "quadratic", "taylor-3", "taylor-4", "capped", "key-norm", "linear", "constant"),
}
"""Those that q enters by q·k/√d alone."""
REFUSED = {"linear", "taylor-3", "tanimoto"}
WEIGHT = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def inputs(*shape, n=5, m=7, d=4, dtype=torch.float64, seed=0, requires_grad=False):
    generator = torch.Generator().manual_seed(seed)
    sizes = ((n, d), (m, d), (m, 3))
    return tuple(
        torch.randn(*shape, *size, generator=generator, dtype=dtype).requires_grad_(requires_grad)
        for size in sizes
    )


def alike(name, q, k, v):
    """The same; for a kernel of equality the first queries are the first keys."""
    if name not in EQUAL:
        return q, k, v
    first = torch.cat([k[..., :2, :], q[..., 2:, :]], -2).detach()
    return first.requires_grad_(q.requires_grad), k, v


def masks(n, m, dtype):
    generator = torch.Generator().manual_seed(1)
    allowed = torch.rand(n, m, generator=generator) < 0.6
    allowed[2] = False  # a row that may attend to nothing
    bias = torch.randn(n, m, generator=generator, dtype=dtype)
    hidden = bias.masked_fill(~allowed, -torch.inf)
    causal = torch.ones(n, m, dtype=torch.bool).tril()
    return {"none": None, "bool": allowed, "bias": bias, "infinite": hidden, "causal": causal}
