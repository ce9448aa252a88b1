"""Checks of what models are made of and given: errors that name the argument and a remedy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rkbs.kernels.base import Kernel


def check_tokens(tokens: Any, name: str, vocab: int, context: int, device: torch.device) -> Tensor:
    """``tokens`` if they are (B, n) numbers of tokens that a model takes; else an error."""
    if not isinstance(tokens, Tensor) or tokens.dtype not in (torch.int64, torch.int32):
        got = tokens.dtype if isinstance(tokens, Tensor) else type(tokens).__name__
        advice = f"{name}.long()" if isinstance(tokens, Tensor) else f"torch.tensor({name})"
        raise TypeError(f"{name} must be a tensor of torch.int64, got {got}: pass {advice}")
    if tokens.ndim != 2 or 0 in tokens.shape:
        advice = f": pass {name}[None]" if tokens.ndim == 1 and len(tokens) else ""
        raise ValueError(
            f"{name} must have shape (sequences, tokens), with one of each at least, got shape "
            f"{tuple(tokens.shape)}{advice}"
        )
    if tokens.shape[1] > context:
        raise ValueError(
            f"{name} must have at most context={context} tokens a sequence, got shape "
            f"{tuple(tokens.shape)}: cut it by {name}[:, :{context}], or make the model with a "
            "larger context"
        )
    if tokens.device != device:
        raise ValueError(
            f"{name} must be on the model's device, {device}; it is on {tokens.device}: pass "
            f"{name}.to({str(device)!r})"
        )
    # Elsewhere reading them would make the device wait; there torch's own assertion says it.
    if device.type == "cpu" and not torch.compiler.is_compiling():
        least, most = (int(x) for x in tokens.aminmax())
        if least < 0 or most >= vocab:
            raise ValueError(
                f"{name} must hold numbers 0 … {vocab - 1} of tokens, as vocab={vocab} says, got "
                f"{least} … {most}"
            )
    return tokens


def check_same_count(one: Tensor, name: str, other: Tensor, other_name: str) -> None:
    """``ValueError`` unless two batches have as many sequences."""
    if len(one) != len(other):
        raise ValueError(
            f"{name} and {other_name} must have as many sequences, got shapes {tuple(one.shape)} "
            f"and {tuple(other.shape)}"
        )


def check_memory(memory: Any, seen: Any, target: Tensor, d_model: int) -> None:
    """``TypeError`` or ``ValueError`` unless they are what ``encode`` gives for as many."""
    for name, x in (("memory", memory), ("seen", seen)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name} must be a tensor, as encode gives it, got {type(x).__name__}")
    if memory.ndim != 3 or memory.shape[-1] != d_model or len(memory) != len(target):
        raise ValueError(
            f"memory must have shape (B, m, d_model) = ({len(target)}, m, {d_model}), as encode "
            f"gives it, got shape {tuple(memory.shape)}"
        )
    if seen.dtype != torch.bool or seen.shape != memory.shape[:2]:
        raise ValueError(
            f"seen must be boolean of shape {tuple(memory.shape[:2])}, True at the tokens that are "
            f"no padding, got {seen.dtype} of shape {tuple(seen.shape)}"
        )


def kernel_of_layer(kernel: Any, layer: int) -> Kernel:
    """The kernel of a layer: the one of all, or what the function makes."""
    if isinstance(kernel, type):
        raise TypeError(
            f"kernel must be a Kernel or a function of the layer's number, got the class "
            f"{kernel.__name__}: did you mean {kernel.__name__}()?"
        )
    made = kernel if isinstance(kernel, Kernel) or not callable(kernel) else kernel(layer)
    if not isinstance(made, Kernel):
        said = "be" if made is kernel else f"return, for layer {layer},"
        raise TypeError(
            f"kernel must {said} a Kernel, such as EDP(), got {made!r}; a function gets the "
            "layer's number, 0 for the first"
        )
    return made
