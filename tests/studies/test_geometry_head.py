"""The pointing head against torch, the teachers against what they are called."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from verify.studies import geometry_head as module

RNG = np.random.default_rng(0)


def by_torch(pointers, w):
    """Loss and gradient of one head, by autograd."""
    z, keys = torch.tensor(pointers.tokens), torch.tensor(pointers.keys)
    v = torch.tensor(w, requires_grad=True)
    logits = torch.einsum("bie,de,df,bjf->bij", z, v[0], v[1], z) / w.shape[1] ** 0.5
    loss = cross_entropy(logits.flatten(0, 1), keys.flatten())
    return loss.item(), torch.autograd.grad(loss, v)[0].numpy(), logits.detach().numpy()


def test_loss_and_gradient_are_torchs():
    several = [module.draw(RNG, RNG.normal(size=(5, 5)), 6, 3, 0.2) for _ in range(2)]
    w = RNG.normal(size=(4, 2, 2, 3, 5))  # four starts for each of two seeds
    head = module.Head(module.stacked(several))
    loss, gradient, M = head.loss(w), head.gradient(w), module.bilinear(w)
    wrong = head.pointers.error(M)
    for start in range(4):
        for seed, pointers in enumerate(several):
            value, slope, logits = by_torch(pointers, w[start, seed])
            assert loss[start, seed] == pytest.approx(value, rel=1e-12)
            np.testing.assert_allclose(gradient[start, seed], slope, rtol=1e-10, atol=1e-14)
            share = (logits.argmax(-1) != pointers.keys).mean()
            assert wrong[start, seed] == pytest.approx(share)


def test_the_linear_loss_against_torch():
    A, y, w = RNG.normal(size=(7, 2, 3)), RNG.choice([-1.0, 1.0], 7), RNG.normal(size=(1, 2, 3))
    v = torch.tensor(w, requires_grad=True)
    margins = torch.tensor(y) * torch.einsum("nij,ij->n", torch.tensor(A), v[0])
    loss = torch.nn.functional.softplus(-margins).mean()
    linear = module.Linear(A, y)
    assert linear.loss(w) == pytest.approx(loss.item(), rel=1e-12)
    slope = torch.autograd.grad(loss, v)[0].numpy()
    np.testing.assert_allclose(linear.gradient(w), slope, rtol=1e-12)


def test_teachers_are_what_they_are_called():
    def values(teacher):
        return np.linalg.svd(teacher(RNG, 8), compute_uv=False)

    assert (values(module.low_rank) > 1e-12).sum() == 1
    np.testing.assert_allclose(values(module.orthogonal), 1)
    assert set(np.abs(module.sign_vectors(RNG, 8)).ravel()) == {1.0}
    assert (values(module.sign_vectors) > 1e-12).sum() == 1
    few = module.sparse_signs(RNG, 8)
    assert np.count_nonzero(few) == 4
    assert (values(module.sparse_signs) > 1e-12).sum() == 1
    assert (values(module.sign_maps) > 1e-12).sum() >= 6
    assert (values(module.gaussian) > 1e-12).sum() == 8


def test_noise_moves_its_share_of_the_pointers():
    M = module.orthogonal(RNG, 8)
    clean, noisy = (module.draw(np.random.default_rng(1), M, 4000, 4, p) for p in (0.0, 0.4))
    assert clean.error(M) == 0
    assert noisy.error(M) == pytest.approx(0.4 * 3 / 4, abs=0.02)
    np.testing.assert_array_equal(clean.tokens, noisy.tokens)
