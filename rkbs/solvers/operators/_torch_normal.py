"""Products at some pairs in torch, on any device."""

from __future__ import annotations

from typing import final

import numpy as np
import torch

from rkbs.problems.gram import GramProblem
from rkbs.solvers.operators.backends import Normal, Precision

_GATHERED = 2**24
"""Numbers of each factor that are gathered at a time."""


@final
class TorchNormal(Normal):
    """M ↦ R_Xᵀ S*S(R_X M R_Yᵀ) R_Y: dot products of gathered rows, then sparse × dense."""

    def __init__(self, problem: GramProblem, device: str, dtype: Precision) -> None:
        self.kind = {"device": torch.device(device), "dtype": getattr(torch, dtype)}
        pairs = problem.pairs
        order = np.lexsort((pairs.j, pairs.i))
        self.left, self.right = map(self.array, (problem.factors.left, problem.factors.right))
        indices = np.stack([pairs.i[order], pairs.j[order]])
        self.indices = torch.as_tensor(indices, device=self.kind["device"])
        self.shape = len(pairs.X), len(pairs.Y)

    def __call__(self, M: torch.Tensor) -> torch.Tensor:
        rows, (i, j) = self.left @ M, self.indices
        step = max(1, _GATHERED // max(1, rows.shape[1]))
        starts = range(0, len(i), step)
        h = torch.cat(
            [(rows[i[k : k + step]] * self.right[j[k : k + step]]).sum(1) for k in starts]
        )
        H = torch.sparse_coo_tensor(
            self.indices, h, self.shape, is_coalesced=True, check_invariants=False
        )
        return self.left.T @ torch.sparse.mm(H, self.right)

    def array(self, M: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(M, **self.kind)

    def numpy(self, M: torch.Tensor) -> np.ndarray:
        return M.cpu().numpy().astype(float)
