"""Attention with any kernel, in the words of ``scaled_dot_product_attention``."""

from __future__ import annotations

import logging
from typing import Any, Literal, overload

import torch
from torch import Tensor

from rkbs.attention._task import Task, prepared
from rkbs.attention.paths.automatic import Automatic
from rkbs.attention.paths.base import Path
from rkbs.attention.paths.dense import Dense
from rkbs.attention.reference import attend
from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP

_EDP, _AUTOMATIC = EDP(), Automatic()
_LOGGER = logging.getLogger("rkbs.attention")


@overload
def kernel_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    kernel: Kernel = ...,
    *,
    attn_mask: Tensor | None = ...,
    dropout_p: float = ...,
    is_causal: bool = ...,
    scale: float | None = ...,
    enable_gqa: bool = ...,
    return_weights: Literal[False] = ...,
    normalize: str | None = ...,
    path: Path = ...,
) -> Tensor: ...


@overload
def kernel_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    kernel: Kernel = ...,
    *,
    attn_mask: Tensor | None = ...,
    dropout_p: float = ...,
    is_causal: bool = ...,
    scale: float | None = ...,
    enable_gqa: bool = ...,
    return_weights: Literal[True],
    normalize: str | None = ...,
    path: Path = ...,
) -> tuple[Tensor, Tensor]: ...


@overload
def kernel_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    kernel: Kernel = ...,
    *,
    attn_mask: Tensor | None = ...,
    dropout_p: float = ...,
    is_causal: bool = ...,
    scale: float | None = ...,
    enable_gqa: bool = ...,
    return_weights: bool,
    normalize: str | None = ...,
    path: Path = ...,
) -> Any: ...


def kernel_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    kernel: Kernel = _EDP,
    *,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_weights: bool = False,
    normalize: str | None = "rows",
    path: Path = _AUTOMATIC,
) -> Tensor | tuple[Tensor, Tensor]:
    """out_i = Σ_j κ(q_i, k_j) v_j / Σ_j κ(q_i, k_j).

    A positive kernel goes through the softmax of its logit log κ, which does not overflow. Other
    kernels must be known to be non-negative and are divided by their row sums. With ``EDP()`` this
    is ``torch.nn.functional.scaled_dot_product_attention``, whose words these are. Half precision
    is computed in float32 from the logits to the weighted sums, and rounded once; by ``Flex``, and
    for EDP by ``Fused`` on a device, as by torch: weights in half, summed in float32.

    Parameters
    ----------
    q : tensor of shape (..., n, d)
        Queries. Leading axes (batch, heads) broadcast.
    k : tensor of shape (..., m, d)
        Keys; a kernel that is a pullback may take another last axis than that of ``q``.
    v : tensor of shape (..., m, d_v)
        Values.
    kernel : Kernel
        Parameters may be tensors that require a gradient, 0-d or of shape (H,): a value for each
        index of axis −3 of ``q`` and ``k``, the heads of (..., H, n, d).
    attn_mask : tensor or None
        Broadcasts to (..., n, m). Boolean: True where a query may attend to a key. Of the dtype
        of ``q`` (or float32, where that is half precision): added to the logits, for positive
        kernels only; −∞ hides. Keys that are hidden from all queries of their batch and head may
        hold anything in ``k`` and ``v``, also NaN, and get gradients of 0; keys that are hidden
        from some, any finite numbers.
    dropout_p : float
        The share of weights that are dropped; the others are divided by 1 − p. 0 in evaluation.
    is_causal : bool
        Query i sees the keys 0 … i: the triangle starts top left. Not together with ``attn_mask``.
    scale : float or None
        Of q·k in a dot-product kernel (EDP, CappedEDP, TaylorEDP, Quadratic, Linear, and sums,
        products, multiples of these), in place of 1/√d.
    enable_gqa : bool
        q may have a multiple of the heads (axis −3) of k and v; each of these serves that many
        consecutive heads of q.
    return_weights : bool
        Also the weights (..., n, m) that the values are multiplied by, after dropout: as large as
        they are, and by the dense path.
    normalize : {"rows", "absolute", "mean", None}
        How weights come from κ: κ/Σκ, for kernels that are known to be non-negative; κ/Σ|κ|;
        κ over the number of keys that the query sees; κ itself. No choice divides by a sum that
        may be negative, or 0 by cancellation.
    path : Path
        How it is computed: ``Automatic()`` chooses, ``attention_path`` says what, and the logger
        ``rkbs.attention`` at level DEBUG.

    Returns
    -------
    tensor of shape (..., n, d_v), or this and the weights (..., n, m)
        A row is 0 where its weights are all 0: where there is no key, where a mask hides every key
        (as torch does), or where the kernel vanishes on all keys (``L2Distance`` of one key equal
        to the query). It is NaN, and passes no gradient, where a value of κ (of a positive kernel,
        only where it is not normalized) overflows on a key that the query sees. NaN and infinity
        that are not hidden are not detected: reading them would force a device to synchronize. NaN
        is passed on.

    Raises
    ------
    TypeError
        For a kernel that may be negative or is unknown to be non-negative, unless ``normalize``
        says what then; an additive mask with a kernel that has no logit; a scale for a kernel
        without products; and for wrong or unequal dtypes.
    ValueError
        For shapes that do not fit, devices that differ, a mask beside ``is_causal``, or a path
        that cannot do what is asked.

    Examples
    --------
    >>> import torch
    >>> from rkbs import RBF
    >>> from rkbs.attention import kernel_attention
    >>> q, k, v = torch.zeros(1, 2), torch.tensor([[0.0, 0.0], [9.0, 9.0]]), torch.eye(2)
    >>> kernel_attention(q, k, v), kernel_attention(q, k, v, RBF(1.0))
    (tensor([[0.5000, 0.5000]]), tensor([[1., 0.]]))
    """
    task = prepared(q, k, v, kernel, attn_mask, dropout_p, is_causal, scale, enable_gqa, normalize)
    chosen = Dense() if return_weights else _chosen(task, path)
    if return_weights and not isinstance(path, (Automatic, Dense)):
        raise ValueError(f"return_weights=True needs path=Dense(), got {path!r}")
    if 0 in task.shape:
        out, weights = _empty(task)
    elif return_weights:
        out, weights = attend(task)
    else:
        return chosen.run(task).to(v.dtype)
    if not return_weights:
        return out.to(v.dtype)
    unseen = k.shape[-2] - weights.shape[-1]  # behind the last query of a causal mask
    return out.to(v.dtype), torch.nn.functional.pad(weights, (0, unseen)).to(v.dtype)


def attention_path(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    kernel: Kernel = _EDP,
    *,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    normalize: str | None = "rows",
    path: Path = _AUTOMATIC,
) -> Path:
    """The path that ``kernel_attention`` takes with these arguments.

    Examples
    --------
    >>> import torch
    >>> from rkbs import EDP, Laplace
    >>> from rkbs.attention import attention_path
    >>> q, k, v = torch.randn(3, 8, 512, 64)
    >>> attention_path(q, k, v, EDP()), attention_path(q, k, v, Laplace())
    (Fused(), Blocked())
    """
    return _chosen(
        prepared(q, k, v, kernel, attn_mask, dropout_p, is_causal, scale, enable_gqa, normalize),
        path,
    )


def _chosen(task: Task, path: Path) -> Path:
    if not isinstance(path, Path):
        raise TypeError(f"path must be a Path, such as Automatic() or Dense(), got {path!r}")
    chosen = path.choose(task)
    if not torch.compiler.is_compiling():
        _LOGGER.debug("%r on %s: %r", task.kernel, task.shape, chosen)
    return chosen


def _empty(task: Task) -> tuple[Tensor, Tensor]:
    """Zeros, of queries or keys that are none, with gradients of zeros."""
    shape = task.shape
    nothing = sum(x[..., :0].sum() for x in (task.q, task.k, task.v))
    out = task.v.new_zeros(*shape[:-1], task.v.shape[-1]) + nothing
    return out, task.v.new_zeros(shape)
