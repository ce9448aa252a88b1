"""Patches that sabotages of several claims are made of."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rkbs.approximation import SchmidtSpectrum
from rkbs.kernels.dot_product import EDP
from rkbs.kernels.features import PowerFeatures
from rkbs.kernels.pullback import Pullback
from rkbs.problems import OperatorPoint
from rkbs.problems.binary import BinaryProblem
from sabotage import Patch
from verify.harness.run import Run


def attribute(owner: Any, name: str, wrong: Callable[[Any], Any]) -> Patch:
    """A patch that replaces ``owner.name`` by ``wrong`` of what it was."""
    return lambda patch: patch.setattr(owner, name, wrong(getattr(owner, name)))


def scaled(owner: Any, name: str, factor: Any) -> Patch:
    """A patch that multiplies what a function or method returns."""
    return attribute(owner, name, lambda right: lambda *a, **k: factor * right(*a, **k))


def constants(owner: Any, **values: Any) -> Patch:
    """Other values of names, such as the sizes of a claim."""
    return several(*(attribute(owner, n, lambda _, v=v: v) for n, v in values.items()))


def several(*patches: Patch) -> Patch:
    """All of the patches."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for one in patches:
            one(monkeypatch)

    return patch


def returned(owner: Any, name: str, change: Callable[[Any], Any]) -> Patch:
    """A patch that changes what a function or method returns."""
    return attribute(owner, name, lambda right: lambda *a, **k: change(right(*a, **k)))


def results_with(module: Any, change: Callable[[Any, Any], Any]) -> Patch:
    """What a claim's sweeps give, each result with what ``change`` of its cell and it names."""

    def wrong(right: Callable) -> Callable:
        def sweep(run: Any, work: Any, cells: Any, name: str) -> list:
            found = right(run, work, cells, name)
            return [r | (change(c, r) or {}) for c, r in zip(cells, found, strict=True)]

        return sweep

    return attribute(module, "sweep", wrong)


def results_edited(module: Any, edit: Callable[[Any, Any], Any]) -> Patch:
    """What a claim's sweeps give, copied, and each edited in place by its cell and itself."""

    def wrong(right: Callable) -> Callable:
        def sweep(run: Any, work: Any, cells: Any, name: str) -> list:
            found = copy.deepcopy(right(run, work, cells, name))
            for cell, result in zip(cells, found, strict=True):
                edit(cell, result)
            return found

        return sweep

    return attribute(module, "sweep", wrong)


# ---- kernels and features


def edp(gram: Callable, log: Callable | None = None) -> Patch:
    """EDP with other values, and logits."""
    return constants(EDP, formula=gram, **({"log_formula": log} if log else {}))


def logits(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """q·k/√d."""
    return x @ y.mT / x.shape[-1] ** 0.5


TWICE = edp(
    lambda self, x, y: np.exp(2 * logits(x, y)),
    lambda self, x, y: 2 * logits(x, y),
)
TWICE_IN_FEATURES = attribute(
    EDP,
    "power_coefficients",
    lambda right: lambda self, N: tuple(2**n * c for n, c in enumerate(right(self, N))),
)
OTHER_SCALE = edp(lambda self, x, y: np.exp(x @ y.mT / x.shape[-1]))
QUERY_MAP_IGNORED = attribute(
    Pullback, "_mapped", lambda _: lambda self, x, y: (self.map_y(x), self.map_y(y))
)
KEY_MAP_ZERO = attribute(
    Pullback, "_mapped", lambda _: lambda self, x, y: (self.map_x(x), 0 * self.map_y(y))
)
ZERO_FEATURES = scaled(PowerFeatures, "__call__", 0)
FEATURES_A_LITTLE_OFF = scaled(PowerFeatures, "__call__", 1 + 1e-11)


# ---- solutions


def solved(module: Any, change: Callable[[Any], Any]) -> Patch:
    """A module's ``solve`` returns a solution whose value is changed."""
    return returned(module, "solve", lambda found: replace(found, value=change(found.value)))


def first_function(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Of an ``ExpansionPoint``: its first function changed."""
    return lambda value: value._replace(functions=(change(value.v), *value.functions[1:]))


FOUND: dict[tuple, Any] = {}
"""What ``once`` has kept."""


def once(module: Any, *names: str) -> Patch:
    """Functions of a problem and of a solver, or a generator, are called once for equal ones.

    For sabotages that are not about these functions themselves, nor about what they call.
    """

    def kept(name: str) -> Callable[[Callable], Callable]:
        def wrapped(right: Callable) -> Callable:
            def call(problem: Any, other: Any) -> Any:
                if not isinstance(problem, BinaryProblem):
                    return right(problem, other)
                drawn = isinstance(other, np.random.Generator)
                told = str(other.bit_generator.state) if drawn else repr(other)
                key = (module.__name__, name, told, *_content(problem))
                if key not in FOUND:
                    found = right(problem, other)
                    FOUND[key] = found, other.bit_generator.state if drawn else None
                found, state = FOUND[key]
                if drawn:  # whoever draws next draws the same
                    other.bit_generator.state = state
                return found

            return call

        return wrapped

    return several(*(attribute(module, name, kept(name)) for name in names))


def _content(problem: BinaryProblem) -> tuple:
    """All that the problem consists of."""
    terms = problem.loss, problem.regularizer_x, problem.regularizer_y
    weights = problem.spaces.p, problem.alpha_x, problem.alpha_y
    arrays = problem.z, problem.pairs.i, problem.pairs.j, problem.phi_x, problem.phi_y
    return type(problem), repr(terms), weights, *(array.tobytes() for array in arrays)


OPERATOR_COEFFICIENTS = {
    "coefficients × 1.01": lambda c: 1.01 * c,
    "coefficients × (1 + 1e-6)": lambda c: c * (1 + 1e-6),
    "coefficients × 0.9": lambda c: 0.9 * c,
    "coefficients zero": lambda c: 0 * c,
    "coefficients shifted by one index": lambda c: np.roll(c, 1),
}


def of_coefficients(module: Any, change: Callable[[np.ndarray], np.ndarray]) -> Patch:
    """Both parts of the operator problem's solutions changed."""
    return solved(module, lambda value: OperatorPoint(*map(change, value)))


def minimizer(module: Any, change: Callable[..., tuple]) -> Patch:
    """``whole_space_minimizer`` with v, u and the residual changed."""
    return attribute(
        module,
        "whole_space_minimizer",
        lambda right: lambda problem, rng: change(*right(problem, rng), rng),
    )


def linear_blocks(module: Any) -> Patch:
    """``blocks_of`` with a multiple of the identity for ι."""
    return returned(
        module, "blocks_of", lambda blocks: tuple(replace(one, exponent=2.0) for one in blocks)
    )


# ---- floors and heads

NO_FLOOR = scaled(SchmidtSpectrum, "floor", 0)
LOW_FLOOR = scaled(SchmidtSpectrum, "floor", 0.9)
APART = "that of the measuring quadrature|"
"""Of the check that compares two floors."""


def frozen(module: Any, change: Callable[[Any], Any]) -> Patch:
    """Constructive heads, changed."""
    return returned(module, "constructive_head", change)


def zero(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    """The head 0."""
    return np.zeros((len(t), len(s)))


def without_outputs(head: Any) -> Any:
    """A trained head whose logits are 0."""
    return replace(head, output_x=0 * head.output_x)


def fewer_steps(module: Any, steps: int, **budget: Any) -> Patch:
    """Heads by Adam in ``steps`` steps, and with another budget otherwise."""
    return attribute(
        module, "by_adam", lambda f: lambda *a, **k: f(*a, **(k | budget | {"steps": steps}))
    )


# ---- heads of free queries and keys


def heads_once(patch: pytest.MonkeyPatch) -> None:
    """``trained`` of a kernel is called once for equal sizes; not where parameters train, too."""
    from verify.studies import free_heads  # late: it imports torch

    right = free_heads.trained

    def kept(kernel: Any, *sizes: int, **how: Any) -> tuple[np.ndarray, np.ndarray]:
        key = (repr(kernel), *sizes, *(repr(value) for value in how.values()))
        if key not in FOUND:
            FOUND[key] = right(kernel, *sizes, **how)
        return FOUND[key]

    patch.setattr(free_heads, "trained", kept)


def untrained(patch: pytest.MonkeyPatch) -> None:
    """Heads stay where they start."""
    from verify.studies import free_heads

    def started(
        kernel: Any, n: int, d: int, heads: int, steps: int, *, seed: int, **how: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        points = free_heads.starts(heads, n, d, free_heads.SCALES, seed)
        return tuple(x.numpy() for x in points)

    patch.setattr(free_heads, "trained", started)


def in_short(sizes: dict[Any, Any], then: Patch) -> Patch:
    """Sizes of the quick profile in place of others, and what else is patched."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        pick = Run.pick

        def shorter(run: Run, quick: Any, full: Any) -> Any:
            size = pick(run, quick, full)
            return sizes.get(size, size)

        monkeypatch.setattr(Run, "pick", shorter)
        then(monkeypatch)

    return patch


def swept_once(claim: Any) -> Patch:
    """A claim's sweep, what it found for a cell kept from the first run: heads are trained once."""

    def kept(work: Callable[[Any, str], Any], cell: Any) -> Any:
        key = claim.__name__, repr(cell)
        if key not in FOUND:
            FOUND[key] = work(cell, "cpu")
        return copy.deepcopy(FOUND[key])

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            claim, "sweep", lambda run, work, cells, name: [kept(work, cell) for cell in cells]
        )

    return patch
