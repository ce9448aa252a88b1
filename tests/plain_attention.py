"""Attention written out in float64, without rkbs: what its tests compare with."""

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
