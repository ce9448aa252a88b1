"""A solution has the problem that was given, the solver's value and the problem's certificate."""

from typing import assert_type

import numpy as np
import torch

from rkbs import (
    ADMM,
    EDP,
    RBF,
    Alternating,
    Cholesky,
    ConjugateGradient,
    DualNewton,
    FeatureSections,
    OneSidedProblem,
    OperatorProblem,
    Pairs,
    PowerNorm,
    ProductProblem,
    RKBSPair,
    Schatten,
    SchattenProblem,
    SeparableProblem,
    Solution,
    Spectral,
    SpectralNewton,
    Squared,
    solve,
)
from rkbs.problems import (
    ExpansionPoint,
    GapCertificate,
    KKTCertificate,
    OperatorPoint,
    StationarityCertificate,
)
from rkbs.solvers import DenseState, ProductPoint, SpectralState
from rkbs.spaces import Element

x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
pairs, z = Pairs.grid(x, y), x - y.T
gram_x, gram_y = RBF()(x, x), RBF()(y, y)

ridge = OperatorProblem(gram_x, gram_y, pairs, z, alpha=0.1)
fit = solve(ridge, Spectral()).check()
assert_type(fit, Solution[OperatorProblem, OperatorPoint, KKTCertificate])
assert_type(solve(ridge, Cholesky()).certificate.relative_gap, float)
assert_type(solve(ridge, ConjugateGradient()).value.c, np.ndarray)
M, c, theta = fit.value
assert_type(M, np.ndarray)
assert_type(fit.problem.factored_expansion(M)[0], np.ndarray)
assert_type(fit.predict_grid(gram_x, gram_y), np.ndarray)
state = Spectral().setup(ridge)
assert_type(state, SpectralState)
assert_type(Cholesky().setup(ridge), DenseState)
assert_type(state.leave_out_residuals(0.1, "row"), np.ndarray)
for along in state.path([1.0, 0.1]):
    assert_type(along.certificate.kkt_residual, float)

spectral = SchattenProblem(gram_x, gram_y, pairs, z, alpha=0.1)
assert_type(solve(spectral, ADMM()), Solution[SchattenProblem, OperatorPoint, GapCertificate])
assert_type(solve(spectral.with_penalty(Schatten(1.5)), SpectralNewton()).value.M, np.ndarray)
query, key, sigma = spectral.factored_expansion(M)
assert_type(sigma, np.ndarray)

spaces = RKBSPair.from_kernel(EDP(), 1, 6, p=1.5)
assert_type(spaces.f(np.zeros(7))(x), np.ndarray)
assert_type(spaces.norm(spaces.duality_map(2.0 * spaces.f(np.zeros(7)))), float)
separable = SeparableProblem(spaces, pairs, z, 0.1, 0.1, Squared(), PowerNorm(3.0))
two = solve(separable, DualNewton())
assert_type(two, Solution[SeparableProblem, ExpansionPoint, GapCertificate])
assert_type(two.problem.alpha_x, float)
assert_type(two.f, Element)
assert_type(spaces.pairing(two.f, two.g), float)
assert_type(two.predict_grid(x, y), np.ndarray)

product = solve(ProductProblem(spaces, pairs, z, 0.1, 0.1), Alternating())
assert_type(product, Solution[ProductProblem, ProductPoint, StationarityCertificate])
assert_type(product.value.v, np.ndarray)
assert_type(product.g(y), np.ndarray)
assert_type(product.certificate.residual, float)

one = solve(OneSidedProblem(FeatureSections(np.eye(2), p=1.5), np.ones(2), 0.5), DualNewton())
assert_type(one.f(np.eye(2)), np.ndarray)

assert_type(Squared().value(z, z), np.ndarray)
assert_type(Squared().gradient(z, z), np.ndarray)
assert_type(Squared().curvature(torch.ones(2), torch.zeros(2)), torch.Tensor)
assert_type(Squared().conjugate(z, z), np.ndarray)
assert_type(PowerNorm(3.0).derivative(2.0), float)
