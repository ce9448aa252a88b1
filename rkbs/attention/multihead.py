"""A drop-in for ``torch.nn.MultiheadAttention`` with any kernel."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from rkbs.attention._checks import check_tensor
from rkbs.attention._hidden import seen_through
from rkbs.attention.functional import kernel_attention
from rkbs.attention.initialization import start_gain
from rkbs.attention.learned import LearnedKernel
from rkbs.attention.paths.automatic import Automatic
from rkbs.attention.paths.base import Path
from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP

_EDP, _AUTOMATIC = EDP(), Automatic()
_NAMES = ("query", "key", "value")


@final
class MultiheadKernelAttention(nn.MultiheadAttention):
    """``torch.nn.MultiheadAttention`` with a kernel: softmax weights become κ(q_i, k_j)/Σ_j κ.

    The constructor, ``forward``, its masks (True **hides** a key, as there and unlike
    ``kernel_attention``) and the state dict are those of torch's module; with ``EDP()`` the numbers
    are, too. The parameters of another kernel come on top, under ``kernel.``. It may stand in for
    ``self_attn`` and ``multihead_attn`` of torch's Transformer layers: their fast path, which would
    compute dot-product attention whatever the module says, is not taken.

    Queries and keys start with the weights of torch's module times ``start_gain(kernel, d)``, so
    that every kernel starts with the entropy of weights that dot-product attention has.

    Parameters
    ----------
    embed_dim, num_heads, dropout, bias, add_bias_kv, add_zero_attn, kdim, vdim, batch_first, \
device, dtype
        As of ``torch.nn.MultiheadAttention``.
    kernel : Kernel
        Non-negative. Its parameters become the module's, as of ``LearnedKernel``.
    learn : bool
        Whether they are trained.
    per_head : bool
        Whether each head has values of its own.
    path : Path
        As of ``kernel_attention``.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit. A padding mask that hides every key of every
        sequence is one (on the CPU): it is one of the other convention.

    Examples
    --------
    >>> import torch
    >>> from rkbs import RBF
    >>> from rkbs.attention import MultiheadKernelAttention
    >>> layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    >>> layer.self_attn = MultiheadKernelAttention(16, 2, kernel=RBF(), batch_first=True)
    >>> layer(torch.randn(4, 10, 16)).shape
    torch.Size([4, 10, 16])
    >>> layer.self_attn.kernel.tau.shape  # a value for each head
    torch.Size([2])
    """

    kernel: LearnedKernel

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        kernel: Kernel = _EDP,
        learn: bool = True,
        per_head: bool = True,
        path: Path = _AUTOMATIC,
    ) -> None:
        super().__init__(
            embed_dim,
            num_heads,
            dropout,
            bias,
            add_bias_kv,
            add_zero_attn,
            kdim,
            vdim,
            batch_first,
            device,
            dtype,
        )
        heads = num_heads if per_head else None
        self.kernel = LearnedKernel(kernel, learn=learn, heads=heads, device=device, dtype=dtype)
        self.path = path
        # What torch's layers ask before they take their fast path, and nothing else that is used.
        self._qkv_same_embed_dim = False
        with torch.no_grad():
            gain = start_gain(kernel, self.head_dim)
            for weight in self._projections()[:2]:
                weight.mul_(gain)

    def _projections(self) -> list[Tensor]:
        """W^Q, W^K and W^V."""
        if self.in_proj_weight is not None:
            return list(self.in_proj_weight.chunk(3))
        return [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As ``torch.nn.MultiheadAttention.forward``; a row without a visible key is 0, not NaN.

        Parameters
        ----------
        query, key, value : tensors of shape (n, N, E), (m, N, E_k), (m, N, E_v)
            With ``batch_first`` (N, n, E), …; without a batch (n, E), ….
        key_padding_mask : tensor of shape (N, m), or (m,) without a batch
            Boolean, True where a key is hidden; or floating, added to logits.
        need_weights, average_attn_weights : bool
            Whether to return the weights, averaged over heads.
        attn_mask : tensor of shape (n, m) or (N · heads, n, m)
            Boolean, True where a key is hidden from a query; or floating, added to logits.
        is_causal : bool
            Hides later keys; beside an ``attn_mask`` it says what that does already.

        Returns
        -------
        tensor like query, and the weights (N, n, m), (N, heads, n, m) or None
        """
        points = [
            self._batch_first(x, name) for x, name in zip((query, key, value), _NAMES, strict=True)
        ]
        if query.dim() == 2 and key_padding_mask is not None:
            key_padding_mask = key_padding_mask[None]
        q, k, v = self._projected(*points)
        kernel = self.kernel()
        shape = (*q.shape[:3], points[1].shape[1])
        extra = k.shape[2] - shape[3]
        seen = seen_through(key_padding_mask, attn_mask, is_causal, shape, extra, kernel, q)
        found = kernel_attention(
            q,
            k,
            v,
            kernel,
            attn_mask=seen.attn_mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=seen.is_causal,
            return_weights=need_weights,
            path=self.path,
        )
        out, weights = found if need_weights else (found, None)
        out = self.out_proj(out.transpose(1, 2).flatten(2))  # (N, n, E)
        if weights is not None and average_attn_weights:
            weights = weights.mean(1)
        if query.dim() == 2:
            return out[0], None if weights is None else weights[0]
        return out if self.batch_first else out.transpose(0, 1), weights

    def _batch_first(self, x: Tensor, name: str) -> Tensor:
        """(N, n, E), of whichever layout."""
        if isinstance(x, Tensor) and x.is_nested:
            raise TypeError(
                f"{name} must not be a nested tensor: pad it, and pass key_padding_mask"
            )
        weight = self.out_proj.weight
        if isinstance(x, Tensor) and torch.is_autocast_enabled(x.device.type):
            weight = weight.to(x.dtype)  # any dtype, which linear maps change
        size = {"query": self.embed_dim, "key": self.kdim, "value": self.vdim}[name]
        axes = "(N, n, {0}) or (n, {0})" if self.batch_first else "(n, N, {0}) or (n, {0})"
        fits = isinstance(x, Tensor) and x.dim() in (2, 3) and x.shape[-1] == size
        check_tensor(x, name, weight, axes.format(size), fits)
        if x.dim() == 2:
            return x[None]
        return x if self.batch_first else x.transpose(0, 1)

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """q, k and v, (N, heads, n or m, d), with the keys that the options add behind."""
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        parts = zip((query, key, value), self._projections(), biases, strict=True)
        q, k, v = (nn.functional.linear(*part) for part in parts)  # (N, n, E)
        if self.bias_k is not None and self.bias_v is not None:
            k, v = (
                torch.cat([x, bias.expand(len(x), 1, -1)], 1)
                for x, bias in ((k, self.bias_k), (v, self.bias_v))
            )
        if self.add_zero_attn:
            k, v = (torch.cat([x, x.new_zeros(len(x), 1, x.shape[-1])], 1) for x in (k, v))
        heads = (self.num_heads, self.head_dim)
        return [x.unflatten(-1, heads).transpose(1, 2) for x in (q, k, v)]
