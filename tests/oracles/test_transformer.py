"""The plain Transformer: its backward pass is the derivative of its loss, and no mutant is."""

from dataclasses import replace

import numpy as np
import pytest
from deep_helpers import KINDS, LOGITS, network

from verify.oracles import transformer
from verify.oracles.log_kernels import RBFLogit
from verify.oracles.transformer import STEP, slopes_by_steps

TASKS = ("counting", "recall")


def directional(net, x, rng):
    """The gradient along a direction, and the loss's derivative by a step along i."""
    along = rng.standard_normal(len(x))
    task = net.task
    loss = net.plain.loss(net.weights(x + 1j * STEP * along), task.tokens, task.frequencies)
    return net.slope(x)[1] @ along, loss.imag / STEP


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_the_loss(kind, task):
    net, x = network(kind, task)
    found, expected = directional(net, x, np.random.default_rng(0))
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("kind", ["edp", "quartic"])
def test_a_difference_of_the_loss_says_the_same(kind):
    net, x = network(kind)
    along = np.random.default_rng(1).standard_normal(len(x))
    ahead, behind = (net.slope(x + step * along)[0] for step in (1e-6, -1e-6))
    assert (ahead - behind) / 2e-6 == pytest.approx(net.slope(x)[1] @ along, rel=1e-6)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", LOGITS)
def test_slopes_of_logits_are_those_by_steps(kind, task):
    net, x = network(kind, task)
    if kind == "rbf":  # a step of q·k/√d alone
        assert RBFLogit.norms == 1
    weights, task = net.weights(x), net.task
    layers = net.plain.gradient(weights, task.tokens, task.frequencies)[2]
    for (z, slopes), (at, own) in zip(
        slopes_by_steps(net.plain, weights, task.tokens, task.frequencies), layers, strict=True
    ):
        np.testing.assert_allclose(slopes, own, atol=1e-13 * np.abs(own).max())
        np.testing.assert_array_equal(z, at.z)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda patch: patch.setattr(transformer, "normal", lambda x: 1 / (1 + np.exp(-1.7 * x))),
        lambda patch: patch.setattr(LOGITS["quartic"].__class__, "slope", lambda self, a: 1.0),
    ],
    ids=["a derivative of another GELU", "a slope of another kernel"],
)
def test_a_backward_pass_of_another_forward_pass_is_seen(mutate, monkeypatch):
    net, x = network("quartic")
    mutate(monkeypatch)
    found, expected = directional(net, x, np.random.default_rng(0))
    assert found != pytest.approx(expected, rel=1e-5)


def test_the_scale_of_logits_is_that_of_the_dimension_that_is_said():
    net, x = network()
    loss = net.slope(x)[0]
    other = replace(net, plain=replace(net.plain, dimension=12))
    double = dict(net.weights(x))
    for name in double:
        if name.endswith("query.weight"):
            double[name] = 2 * double[name]
    assert other.slope(other.vector(double))[0] == pytest.approx(loss, rel=1e-12)


def test_later_tokens_are_not_seen_by_a_decoder():
    net, x = network(task="recall")
    weights, tokens = net.weights(x), net.task.tokens.copy()
    block = net.plain.blocks[0]
    first = net.plain.attention(weights, block, net.plain.points(weights, tokens))[0][:, 0]
    tokens[:, 1:] = 1
    again = net.plain.attention(weights, block, net.plain.points(weights, tokens))[0][:, 0]
    np.testing.assert_array_equal(first, again)
