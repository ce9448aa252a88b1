"""Response surfaces, tabulated for the heads that are to fit them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

from rkbs._arrays import short_repr
from rkbs.approximation.quadrature import Quadrature
from rkbs.approximation.surface import Surface
from rkbs.attention.heads.ensemble import TwoTowerEnsemble
from rkbs.attention.heads.two_tower import as_list, native


@final
@dataclass(frozen=True, eq=False)
class Surfaces:
    """The response surfaces that the models of an ensemble are to fit, tabulated in torch.

    Parameters
    ----------
    t, s : tensors of shape (n, d_x), (n', d_y)
        The nodes of the quadrature.
    root_t, root_s : tensors of shape (n, 1), (n', 1)
        √w of its weights.
    weighted : tensor of shape (M, n, n') or (1, n, n')
        √w_i F(t_i, s_j) √w_j of each model, or of all.
    """

    t: Tensor
    s: Tensor
    root_t: Tensor
    root_s: Tensor
    weighted: Tensor

    __repr__ = short_repr

    @classmethod
    @torch.inference_mode(False)
    def tabulate(
        cls,
        targets: Surface | Sequence[Surface],
        quadrature: Quadrature,
        ensemble: TwoTowerEnsemble,
    ) -> Surfaces:
        """One target for all models, or a sequence with one for each, where the ensemble is."""
        like = ensemble.query.hidden_weight
        one = callable(targets)
        if not one:
            targets = as_list(targets, "targets", "a surface or a sequence of them")
        if not one and len(targets) != len(ensemble):
            raise ValueError(
                f"targets must be one surface or one for each of the {len(ensemble)} models, got "
                f"{len(targets)}"
            )
        tables: dict[int, np.ndarray] = {}
        for target in [targets] if one else targets:
            if id(target) not in tables:
                tables[id(target)] = quadrature.tabulate(target, "target")
        values = [tables[id(target)] for target in ([targets] if one else targets)]
        x, y = quadrature.x, quadrature.y
        arrays = (x.nodes, y.nodes, x.root, y.root, np.stack(values))
        found = cls(
            *(torch.as_tensor(native(a), dtype=like.dtype, device=like.device) for a in arrays)
        )
        squares = found.weighted.square().sum((1, 2))
        if not torch.isfinite(squares).all():
            raise ValueError(f"a target is too large for {like.dtype}: ‖F‖² overflows; rescale it")
        nonzero = torch.tensor([bool(table.any()) for table in values], device=like.device)
        if (squares[nonzero] < torch.finfo(like.dtype).tiny).any():
            raise ValueError(f"a target is too small for {like.dtype}: ‖F‖² vanishes; rescale it")
        return found

    @cached_property
    def roots(self) -> Tensor:
        """√(w_i v_j), shape (n, n')."""
        return self.root_t * self.root_s.mT

    def squared_errors(self, ensemble: TwoTowerEnsemble) -> Tensor:
        """‖F − G‖² of each model in L² of the quadrature, shape (M,)."""
        logits = ensemble(self.t, self.s)  # (M, n, n')
        return (logits * self.roots - self.weighted).square().sum((-2, -1))
