"""What an encoder block, a two-tower logit and the kernel machines make of one surface.

Clean surfaces are tabulated on uniform tokens, whose weights are equal, as attention takes them;
errors are measured on a finer grid of tokens without a node in common. All errors are relative.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from rkbs.approximation.surface import Surface
from rkbs.data.pairs import Pairs
from rkbs.kernels.distance import RBF
from rkbs.machines.ridge_cv import BinaryKernelRidgeCV
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import solve
from rkbs.solvers.operators.admm import ADMM
from verify.studies.contestants import TAUS
from verify.studies.targets import TARGETS

NODES = {1: 64, 2: 13}
"""Tokens along each coordinate, to train on; in four dimensions random ones."""
FINER = {1: 151, 2: 18}
SCATTERED = 400
DIMS = (1, 2, 4, 8)
WIDTHS = (16, 64)
RATE = 1e-2
CLEAN_ALPHAS = tuple(float(a) for a in 10.0 ** np.arange(-10, -0.9, 1.0))
"""Of ridge on responses without noise."""
SHARE = 1e-4
"""α/α_max of the nuclear norm, without noise."""


@dataclass(frozen=True, eq=False)
class Table:
    """F on targets × tokens, less its row means if they are taken away, over the norm of F.

    Attributes
    ----------
    x : array of shape (n, dim)
        The targets and the tokens.
    values : array of shape (n, n)
    """

    x: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, target: str, finer: bool, centered: bool) -> Table:
        """On the tokens to train on, or on the finer ones."""
        F = TARGETS[target]
        if F.dim > 2:
            rng = np.random.default_rng([F.dim, finer])
            x = rng.uniform(-1, 1, (SCATTERED + 100 * finer, F.dim))
        else:
            count = (FINER if finer else NODES)[F.dim]
            line = (np.arange(count) + 0.5) / count * 2 - 1
            x = np.stack([a.ravel() for a in np.meshgrid(*[line] * F.dim)], axis=-1)
        values = F(x, x)
        rest = values - values.mean(1, keepdims=True) if centered else values
        return cls(x, rest / np.sqrt((values**2).mean()))

    @property
    def norm(self) -> float:
        """The root mean square of the values: 1 unless row means are taken away."""
        return float(np.sqrt((self.values**2).mean()))

    def error(self, surface: Surface) -> float:
        """The root mean square of F − G over that of F."""
        return float(np.sqrt(((surface(self.x, self.x) - self.values) ** 2).mean())) / self.norm

    def floor(self, rank: int) -> float:
        """The least error of any surface of that rank on these tokens."""
        values = np.linalg.svd(self.values, compute_uv=False)
        return float(np.linalg.norm(values[rank:]) / np.linalg.norm(values))

    def row_part(self) -> float:
        """The least error of any surface whose row means are all the same."""
        return float(self.values.mean(1).std()) / self.norm


def blocks(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """One surface, kernel and seed: blocks of every d and width, with some numbers of heads."""
    import torch

    from rkbs.attention.heads.training import Adam, one_thread
    from verify.studies.encoder_block import EncoderBlocks, Shape

    name, kernel, seed = (configuration[key] for key in ("target", "kernel", "seed"))
    shapes = [Shape(d, width) for width in configuration["widths"] for d in configuration["dims"]]
    rows = []
    for setting in configuration["settings"]:
        normalized, centered = setting["normalized"], setting["centered"]
        table, there = (Table.of(name, finer, centered) for finer in (False, True))
        points, values = (
            torch.as_tensor(a, dtype=torch.float32, device=device) for a in (table.x, table.values)
        )
        for heads in configuration["heads"]:
            models = EncoderBlocks(
                kernel,
                heads,
                shapes,
                [seed] * len(shapes),
                normalized=normalized,
                dim=points.shape[1],
                dtype=torch.float32,
                device=device,
            )

            def objectives(models: Any = models, x: Any = points, z: Any = values) -> Any:
                return (models(x, x) - z).square().mean((1, 2))

            with one_thread():
                Adam(configuration["steps"], RATE).minimize(models.parameters(), objectives)
            for shape, surface in zip(shapes, models.surfaces(), strict=True):
                labels = {"target": name, "kernel": kernel, "seed": seed, "heads": heads}
                rows.append(
                    labels
                    | setting
                    | {"d": shape.d, "width": shape.width, "error": there.error(surface)}
                )
    return {"rows": rows}


def yardsticks(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """One surface: floors of the logits, machines, and two-tower logits of the same budget."""
    from rkbs.approximation.quadrature import Quadrature, Rule
    from rkbs.attention.heads.ensemble import TwoTowerEnsemble
    from rkbs.attention.heads.training import Adam, Surfaces, one_thread

    name, seeds, steps = (configuration[key] for key in ("target", "seeds", "steps"))
    rows: list[dict[str, Any]] = []
    for centered in (False, True):
        table, there = (Table.of(name, finer, centered) for finer in (False, True))
        common = {"target": name, "centered": centered}
        rows += [
            common | {"what": "floor", "d": d, "error": there.floor(d)}
            for d in configuration["dims"]
        ]
        rows.append(common | {"what": "row part", "error": there.row_part()})
        for what, surface in machines(table).items():
            rows.append(common | {"what": what, "error": there.error(surface)})
        settings = [
            (d, w, s) for w in configuration["widths"] for d in configuration["dims"] for s in seeds
        ]
        dims, widths, drawn = zip(*settings, strict=True)
        ensemble = TwoTowerEnsemble.random(
            dims, widths, drawn, d_x=table.x.shape[1], d_y=table.x.shape[1], device=device
        )
        rule = Rule(table.x, np.full(len(table.x), 1 / len(table.x)))
        surfaces = Surfaces.tabulate(
            lambda t, s, z=table.values: z, Quadrature(rule, rule), ensemble
        )
        with one_thread():
            Adam(steps, RATE).fit(ensemble, surfaces)
        for (d, width, seed), head in zip(settings, ensemble.heads(), strict=True):
            labels = {"what": "two towers", "d": d, "width": width, "seed": seed}
            rows.append(common | labels | {"error": there.error(head)})
    return {"rows": rows}


def machines(table: Table) -> dict[str, Surface]:
    """Ridge, its width and α by exact leave-one-out, and the nuclear norm at that width."""
    x, z = table.x, table.values
    pairs = Pairs.grid(x, x)
    found = {}
    with warnings.catch_warnings():  # the ends of the path are the study's
        warnings.filterwarnings("ignore", "the chosen alpha", UserWarning)
        for tau in TAUS:
            kernels = RBF(tau), RBF(tau)
            found[tau] = BinaryKernelRidgeCV(*kernels, alphas=CLEAN_ALPHAS).fit(pairs, z)
    tau = min(found, key=lambda t: np.nanmin(found[t].leave_out_rmse_))
    gram, kernel = RBF(tau)(x, x), RBF(tau)
    problem = SchattenProblem(gram, gram, pairs, z.ravel(), 1.0)
    problem = problem.with_alpha(SHARE * problem.zero_threshold())
    solution = solve(problem, ADMM(tol=1e-4)).check()

    def nuclear(t: np.ndarray, s: np.ndarray) -> np.ndarray:
        return solution.predict_grid(kernel(t, x), kernel(s, x))

    return {"ridge": found[tau].predict_grid, "nuclear norm": nuclear}
