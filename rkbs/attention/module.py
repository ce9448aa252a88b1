"""Attention with a kernel as a module that owns the kernel's parameters."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from rkbs.attention._checks import check_points
from rkbs.attention.functional import kernel_attention
from rkbs.attention.initialization import start_gain
from rkbs.attention.learned import LearnedKernel
from rkbs.attention.paths.automatic import Automatic
from rkbs.attention.paths.base import Path
from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP

_EDP, _AUTOMATIC = EDP(), Automatic()


@final
class KernelAttention(nn.Module):
    """``kernel_attention`` as a module: out_i = Σ_j κ(q_i, k_j) v_j / Σ_j κ(q_i, k_j).

    Parameters
    ----------
    kernel : Kernel
        Its parameters become the module's, as of ``LearnedKernel``.
    head_dim : int, optional
        d: then q and k are multiplied by ``start_gain(kernel, d)``, so that every kernel starts
        with the entropy of weights that dot-product attention has; else they are taken as they are.
    learn : bool
        Whether the kernel's parameters are trained.
    heads : int, optional
        H: a value of each parameter for each head.
    dropout : float
        In training.
    normalize, path
        As of ``kernel_attention``.
    device, dtype : optional
        Of the parameters.

    Raises
    ------
    TypeError, ValueError
        As ``LearnedKernel`` and ``kernel_attention``.

    Examples
    --------
    >>> import torch
    >>> from rkbs import RBF
    >>> from rkbs.attention import KernelAttention
    >>> attention = KernelAttention(RBF(), heads=2)
    >>> q, k, v = torch.randn(3, 4, 2, 6, 8)  # 4 sequences, 2 heads, 6 points of dimension 8
    >>> attention(q, k, v, is_causal=True).shape, attention.kernel.tau.shape
    (torch.Size([4, 2, 6, 8]), torch.Size([2]))
    """

    kernel: LearnedKernel
    gain: Tensor | None

    def __init__(
        self,
        kernel: Kernel = _EDP,
        head_dim: int | None = None,
        *,
        learn: bool = True,
        heads: int | None = None,
        dropout: float = 0.0,
        normalize: str | None = "rows",
        path: Path = _AUTOMATIC,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.kernel = LearnedKernel(kernel, learn=learn, heads=heads, device=device, dtype=dtype)
        gain = None
        if head_dim is not None:
            gain = torch.tensor(start_gain(kernel, head_dim), device=device, dtype=dtype)
        self.register_buffer("gain", gain)
        self.dropout, self.normalize, self.path = dropout, normalize, path

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        *,
        attn_mask: Tensor | None = None,
        is_causal: bool = False,
        enable_gqa: bool = False,
        return_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """(..., n, d), (..., m, d), (..., m, d_v) → (..., n, d_v), as ``kernel_attention``."""
        if self.gain is not None:
            check_points(q, k, v)
            q, k = self.gain.to(q.dtype) * q, self.gain.to(q.dtype) * k
        return kernel_attention(
            q,
            k,
            v,
            self.kernel(),
            attn_mask=attn_mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=is_causal,
            enable_gqa=enable_gqa,
            return_weights=return_weights,
            normalize=self.normalize,
            path=self.path,
        )

    def extra_repr(self) -> str:
        """What is neither the kernel nor a parameter."""
        return f"dropout={self.dropout}, normalize={self.normalize!r}, path={self.path!r}"
