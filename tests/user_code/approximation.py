"""Surfaces, floors, heads and brackets."""

from typing import assert_type

import numpy as np

from rkbs.approximation import (
    TARGETS,
    Head,
    Quadrature,
    SchmidtSpectrum,
    SupBracket,
    Target,
    certified_sup_error,
    constructive_head,
    l2_error,
    schmidt,
)

target, quadrature = TARGETS["edp"], Quadrature.gauss_legendre(24)
waves = Target("waves", "$cos(t-s)$", lambda t, s: np.cos(t - s.T), smooth=True)
assert_type(target, Target)
assert_type(waves([0.0, 0.5], [0.5]), np.ndarray)

spectrum = schmidt(target, nodes=24)
assert_type(spectrum, SchmidtSpectrum)
assert_type(spectrum.singular_values, np.ndarray)
assert_type(spectrum.floor(3), float)
assert_type(l2_error(target, spectrum.head(3), quadrature), float)

head = constructive_head(target, d=2, width=5, quadrature=quadrature, scale=1.0)
assert_type(head.head, Head)
assert_type(head([0.5], [0.5]), np.ndarray)
assert_type(head.weights(), dict[str, np.ndarray])
assert_type(Head.from_weights(head.weights()), Head)
bracket = certified_sup_error(target, head, ratio=1.2)
assert_type(bracket, SupBracket)
assert_type(bracket.ratio, float)
assert_type(bracket.where, tuple[float, float])
