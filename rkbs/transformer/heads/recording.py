"""Batches passed through a model, and what its attention modules showed.

Nothing of the model is changed, and no gradient is left on its parameters.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rkbs.transformer.heads.maps import AttentionMaps
from rkbs.transformer.heads.masks import added_to_logits
from rkbs.transformer.heads.records import Call, Record

Loss = Callable[[nn.Module, Any], Tensor]
_SOURCES = ("source", "key", "key_value_states", "encoder_hidden_states", "context")
"""What a forward pass calls the points of keys, where they are not those of queries."""


def record(
    model: nn.Module, maps: Iterable[AttentionMaps], data: Iterable[Any], loss: Loss | None
) -> tuple[list[Record], int]:
    """What modules showed of all batches, and how many batches there were.

    The model is in evaluation meanwhile.
    """
    records = [Record(one) for one in maps]
    count, training = 0, [(module, module.training) for module in model.modules()]
    device = next(model.parameters()).device
    model.eval()
    try:
        with ExitStack() as stack:
            stack.enter_context(_slow_path())
            stack.enter_context(torch.set_grad_enabled(loss is not None))
            for one in records:
                stack.enter_context(_watched(one, loss is not None))
            for batch in data:
                _pass(model, _moved(batch, device), loss, records)
                count += 1
    finally:
        for module, was in training:  # each as it was: some may be kept in evaluation
            module.training = was
    if not count:
        raise ValueError("data must hold a batch at least, got none: an iterator may be used up")
    return records, count


def _pass(model: nn.Module, batch: Any, loss: Loss | None, records: list[Record]) -> None:
    if loss is None:
        _forward(model, batch)
        return
    found = loss(model, batch)
    if not isinstance(found, Tensor) or found.numel() != 1 or not found.requires_grad:
        got = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise TypeError(
            "loss(model, batch) must be one number, a tensor that depends on the model, as "
            f"rkbs.transformer.language_loss gives it; got {got}"
        )
    calls = [(one, call) for one in records for call in one.open]
    for one in records:
        one.open = []
    if not calls:  # no module has a form of its points, so that there is nothing to differentiate
        return
    leaves = [call.leaf for _, call in calls]
    gradients = torch.autograd.grad(found.reshape(()), leaves, allow_unused=True)
    for (one, call), gradient in zip(calls, gradients, strict=True):
        if gradient is not None:
            one.differentiate(call, gradient)


def _forward(model: nn.Module, batch: Any) -> None:
    """The model of a batch: of a table those columns that it takes."""
    if not isinstance(batch, Mapping):
        model(*batch) if isinstance(batch, (tuple, list)) else model(batch)
        return
    takes = inspect.signature(model.forward).parameters
    every = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in takes.values())
    columns = {name: x for name, x in batch.items() if every or name in takes}
    if not columns:
        raise ValueError(
            f"data must hold a column that {type(model).__name__} takes, {', '.join(takes)}; got "
            f"{', '.join(map(str, batch))}: rename it, or pass loss=lambda model, batch: …"
        )
    model(**columns)


def _moved(batch: Any, device: torch.device) -> Any:
    """A batch's tensors where the model is."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {name: _moved(x, device) for name, x in batch.items()}
    return type(batch)(_moved(x, device) for x in batch) if type(batch) in (tuple, list) else batch


@contextmanager
def _slow_path() -> Iterator[None]:
    """torch's fast path of encoders calls no attention module, and no hook."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def _watched(one: Record, differentiate: bool) -> Iterator[None]:
    """Hooks that record each call of a module.

    Where they differentiate, zeros with a gradient are added to what its heads give.
    """
    maps, into_out = one.maps, []

    def enter_out(module: nn.Module, args: tuple[Any, ...]) -> Any:
        leaf = torch.zeros_like(args[0], requires_grad=differentiate)
        into_out.append((args[0], leaf))
        return (args[0] + leaf, *args[1:]) if differentiate else None

    def leave(module: nn.Module, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> Any:
        given = _by_name(module, args, named)
        x, y = _points(one, given)
        mask = added_to_logits(maps, given, x, y)
        one.see(x, y, mask)
        if not maps.is_softmax:
            into_out.clear()
            return None
        weights, v, heads = one.attend(x, y, mask)
        first = out[0] if isinstance(out, tuple) else out
        inner = maps.out is not None
        own, leaf = into_out.pop() if inner else (first, torch.zeros_like(first))
        leaf.requires_grad_(differentiate)
        given_back = _back(maps, inner, heads)
        one.compare(_returned(maps, inner, heads), _standard(maps, own, heads))
        if not differentiate:
            return None
        one.open.append(Call(x, y, weights, v, leaf, given_back))
        if inner:
            return None
        return (first + leaf, *out[1:]) if isinstance(out, tuple) else first + leaf

    handles = [maps.module.register_forward_hook(leave, with_kwargs=True)]
    if maps.out is not None:
        handles.append(maps.out.register_forward_pre_hook(enter_out))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _by_name(module: nn.Module, args: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a forward pass, in the order of its signature."""
    signature = inspect.signature(module.forward)
    bound = dict(signature.bind(*args, **named).arguments)
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            bound |= bound.pop(parameter.name, {})
    return bound


def _points(one: Record, given: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """The points of queries (B, n, C) and of keys (B, m, C'), in single precision at least."""
    x = next(iter(given.values()))
    y = next((given[name] for name in _SOURCES if given.get(name) is not None), x)
    one.within &= x is y
    C = one.maps.query.weight.shape[-1]
    if not isinstance(x, Tensor) or x.shape[-1] != C:
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(
            f"{one.maps.path}, a {type(one.maps.module).__name__}, must take points (…, {C}) as "
            f"its first argument, got {got}: audit it without data"
        )
    precision = torch.promote_types(x.dtype, torch.float32)
    x, y = (_standard(one.maps, z.detach().to(precision)) for z in (x, y))
    return x, y


def _standard(maps: AttentionMaps, z: Tensor, like: Tensor | None = None) -> Tensor:
    """(B, n, C), whatever the module's order; of the size of ``like`` if it can be."""
    if maps.kind == "torch":
        if z.ndim == 2:
            return z[None]
        return z if maps.module.batch_first else z.transpose(0, 1)
    return z.reshape(like.shape) if like is not None and z.numel() == like.numel() else z


def _returned(maps: AttentionMaps, inner: bool, heads: Tensor) -> Tensor:
    """What the module gives where its heads give this: torch's goes through its last map."""
    if inner or maps.kind != "torch":
        return heads
    last: Any = maps.module.out_proj
    return nn.functional.linear(heads, *(_like(p, heads) for p in (last.weight, last.bias)))


def _back(maps: AttentionMaps, inner: bool, heads: Tensor) -> Callable[[Tensor], Tensor]:
    """From the gradient of what was returned to that of what heads give."""
    if inner or maps.kind != "torch":
        return lambda gradient: gradient.reshape(heads.shape)
    last: Any = maps.module.out_proj
    return lambda gradient: _standard(maps, gradient) @ _like(last.weight, gradient)


def _like(parameter: Tensor | None, x: Tensor) -> Any:
    return None if parameter is None else parameter.detach().to(x.dtype)
