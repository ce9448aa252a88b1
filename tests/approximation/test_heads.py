"""Weights of heads have one form: ``Head``, whose parameters go out and come back under names."""

import numpy as np
import pytest

from rkbs.approximation import TARGETS, Head, HiddenLayer, Quadrature, constructive_head

GRID = Quadrature.gauss_legendre(24)


def drawn(d=2, widths=(3, 5), inputs=(2, 4)):
    """A head whose sizes are all different."""
    rng = np.random.default_rng(0)
    layers = [HiddenLayer.random(m, rng, 1.0, n) for m, n in zip(widths, inputs, strict=True)]
    return Head(*layers, *(rng.standard_normal((m + 1, d)) for m in widths))


HEADS = {
    "drawn": drawn(),
    "constructive": constructive_head(TARGETS["edp"], 3, 6, quadrature=GRID).head,
    "one unit": drawn(1, (1, 1), (1, 1)),
}
every_head = pytest.mark.parametrize("name", HEADS)


def parameters(head):
    layers = (head.hidden_x, head.hidden_y)
    hidden = [array for layer in layers for array in (layer.slopes, layer.biases)]
    return [*hidden, head.output_x, head.output_y]


def assert_same(found, expected):
    for a, b in zip(parameters(found), parameters(expected), strict=True):
        assert a.dtype == np.float64
        np.testing.assert_array_equal(a, b, strict=True)


@every_head
def test_there_and_back_by_name(name):
    assert_same(Head.from_weights(HEADS[name].weights()), HEADS[name])


@every_head
def test_a_file_keeps_a_head(name, tmp_path):
    np.savez(tmp_path / "head.npz", **HEADS[name].weights())
    with np.load(tmp_path / "head.npz") as stored:
        assert_same(Head.from_weights(stored), HEADS[name])


def test_the_weights_are_the_formula():
    """q(t) = W₂ tanh(W₁ t + b₁) + b₂, as torch names these."""
    head, t = drawn(), np.linspace(-1, 1, 8).reshape(4, 2)
    w = head.weights()
    hidden = np.tanh(t @ w["query.hidden.weight"].T + w["query.hidden.bias"])
    q = hidden @ w["query.output.weight"].T + w["query.output.bias"]
    np.testing.assert_allclose(q, head.hidden_x(t) @ head.output_x, rtol=1e-14)
    assert w["key.hidden.weight"].shape == (5, 4)
    assert w["key.output.weight"].shape == (2, 5)


def test_a_head_does_not_share_memory_with_what_it_is_made_of():
    weights = drawn().weights()
    head = Head.from_weights(weights)
    for array in weights.values():
        array[...] = 0
    assert all(array.all() for array in parameters(head))


W = drawn(3, (12, 12), (1, 1)).weights()


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 2], TypeError, r"weights must be a mapping, as head.weights\(\) gives it, got \[1, 2"),
        ({}, ValueError, "weights must have the names .*'query.hidden.weight'.*, got"),
        ({n: a for n, a in W.items() if n != "key.output.bias"}, ValueError, "have the names"),
        (W | {"value.bias": np.ones(3)}, ValueError, "weights must have the names"),
        *(
            (W | {name: value}, error, rf"^weights\['{name}'\] {message}")
            for name, value, error, message in [
                ("query.output.weight", np.full((3, 12), np.nan), ValueError, "contains NaN or"),
                ("key.hidden.bias", np.full(12, np.inf), ValueError, "contains NaN or infinity"),
                ("key.output.weight", np.ones((2, 12)), ValueError, r".* \(d, m\) = \(3, 12\)"),
                ("key.output.bias", np.ones(4), ValueError, r"must have shape \(d,\) = \(3,\)"),
                ("query.hidden.weight", np.array(1.0), ValueError, "must have shape"),
                ("query.hidden.weight", np.ones(12), ValueError, r"must .*, got \(12,\)"),
                ("query.hidden.weight", np.ones((12, 0)), ValueError, "must have shape"),
                ("query.output.weight", np.ones((1, 3, 12)), ValueError, "must have shape"),
                ("query.hidden.bias", np.ones(12) + 1j, TypeError, "must be an array of real"),
            ]
        ),
        (W | {"query.hidden.bias": np.ones(5)}, ValueError, r"query.hidden.weight.* = \(5, 1\)"),
        (W | {"query.output.bias": np.array(1.0)}, ValueError, r"query.output.weight.*\(1, 12\)"),
    ],
)
def test_bad_weights_are_named(weights, error, message):
    with pytest.raises(error, match=message):
        Head.from_weights(weights)
