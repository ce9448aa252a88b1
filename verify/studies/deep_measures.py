"""What the heads of trained small networks are: the residuals of Theorem D, in each form of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from verify.oracles.log_kernels import RBFLogit
from verify.oracles.transformer import slopes_by_steps
from verify.studies.deep_heads import Head, off, pull, tied_expansion, tied_ratio
from verify.studies.deep_networks import Network

Where = tuple[str, int]


def coefficients(network: Network, weights: Mapping[str, np.ndarray]) -> dict[Where, np.ndarray]:
    """C of each head, by block and number, with c by the plain backward pass."""
    task, d, found = network.task, network.plain.dimension, {}
    layers = network.plain.gradient(weights, task.tokens, task.frequencies)[2]
    for block, (at, slopes) in zip(network.plain.blocks, layers, strict=True):
        for head in range(network.plain.heads):
            found[block, head] = pull(slopes[:, head], at.z, at.z, d)
    return found


def by_steps(network: Network, weights: Mapping[str, np.ndarray]) -> dict[Where, np.ndarray]:
    """The same, with c by a step of each logit along i: no backward pass."""
    task, d, found = network.task, network.plain.dimension, {}
    layers = slopes_by_steps(network.plain, weights, task.tokens, task.frequencies)
    for block, (z, slopes) in zip(network.plain.blocks, layers, strict=True):
        for head in range(network.plain.heads):
            found[block, head] = pull(slopes[:, head], z, z, d)
    return found


def heads_of(network: Network, x: np.ndarray) -> dict[Where, Head]:
    """All heads with C and their decay; singular values count beside the largest of any head."""
    weights, heads = network.weights(x), {}
    found = coefficients(network, weights)
    for block in network.plain.blocks:
        maps = network.maps(weights, block)
        for head, (query, key) in enumerate(zip(*maps, strict=True)):
            C = found[block, head]
            heads[block, head] = Head(query, key, C, *decays_of(network, block), 1.0)
    return _sized(heads)


def decays_of(network: Network, block: str) -> tuple[float, float]:
    """λ_Q and λ_K."""
    query = network.decays[f"{block}.attention.query.weight"]
    return query, network.decays.get(f"{block}.attention.key.weight", query)


def _sized(heads: Mapping[Any, Head]) -> dict[Any, Head]:
    size = max(float(head.spectrum[1][0]) for head in heads.values())
    return {where: replace(head, size=size) for where, head in heads.items()}


def groups_of(network: Network, x: np.ndarray) -> dict[Where, Head]:
    """The heads of each block as one, with the key map that they share."""
    weights, groups = network.weights(x), {}
    found = coefficients(network, weights)
    for block in network.plain.blocks:
        query, key = network.maps(weights, block)
        C = np.vstack([found[block, head] for head in range(len(query))])
        groups[block, 0] = Head(np.hstack(query), key[0], C, *decays_of(network, block), 1.0)
    return _sized(groups)


def with_bias(network: Network, x: np.ndarray) -> dict[Where, Head]:
    """The heads with the bias of their queries as a column more: inputs (z, 1)."""
    weights, heads, task = network.weights(x), {}, network.task
    layers = network.plain.gradient(weights, task.tokens, task.frequencies)[2]
    for block, (at, slopes) in zip(network.plain.blocks, layers, strict=True):
        bias = weights[f"{block}.attention.query.bias"].reshape(network.plain.heads, -1)
        ones = np.concatenate([at.z, np.ones((*at.z.shape[:2], 1))], axis=-1)
        maps = network.maps(weights, block)
        for head, (query, key) in enumerate(zip(*maps, strict=True)):
            C = pull(slopes[:, head], ones, at.z, network.plain.dimension)
            longer = np.column_stack([query, bias[head]])
            heads[block, head] = Head(longer, key, C, *decays_of(network, block), 1.0)
    return _sized(heads)


def with_norms(network: Network, x: np.ndarray) -> dict[Where, dict[str, float]]:
    """‖λ_K W_K − W_Q C + W_K Σ_j (Σ_i c_ij) 2/√d z'_j z'_jᵀ‖/‖λ_K W_K‖, c those of the logits.

    The half of RBF's keys: −‖k‖²/√d stands beside 2 q·k/√d. C is by a = q·k/√d, with its 2.
    """
    weights, task, found = network.weights(x), network.task, {}
    heads = heads_of(network, x)
    layers = network.plain.gradient(weights, task.tokens, task.frequencies)[2]
    for block, (at, slopes) in zip(network.plain.blocks, layers, strict=True):
        for number in range(network.plain.heads):
            head = heads[block, number]
            by_key = -slopes[:, number].sum(1) / RBFLogit().slope(at.a)  # Σ_i c_ij, (B, n)
            scale = 2 * RBFLogit.norms / np.sqrt(network.plain.dimension)
            S = scale * np.einsum("bj,bjc,bje->ce", by_key, at.z, at.z)
            if head.rank:
                keys = off(head.decay_key * head.key, head.query @ head.pull - head.key @ S)
                found[block, number] = {"key half with norms": keys}
    return found


def tied_forms(network: Network, x: np.ndarray) -> dict[Where, dict[str, float]]:
    """Tied heads by their own form."""
    return {
        where: {
            "tied": tied_expansion(head.query, head.pull, head.decay),
            "tied ratio": tied_ratio(head.query, head.pull, head.decay),
        }
        for where, head in heads_of(network, x).items()
        if head.rank
    }


def row_of(where: Where, head: Head) -> dict[str, Any]:
    """One head, or group, as a table has it."""
    row: dict[str, Any] = {
        "layer": int(where[0].rpartition(".")[2]),
        "head": where[1],
        "rank": head.rank,
        "dimension": len(head.query),
        "ratio": head.beyond[1] / head.decay,
        "spectrum": np.linalg.svd(head.pull, compute_uv=False) / head.decay,
    }
    if not head.rank:  # the maps went to 0: nothing is to be expanded
        return row
    rest_query, rest_key = head.rest()
    expansion, best, wrong = head.expansion(), head.best_expansion(), head.expansion(1.05)
    return row | {
        "expansion": max(expansion),
        "query half": expansion[0],
        "key half": expansion[1],
        "best": max(best),
        "at 1.05 λ": min(wrong),
        "balance": head.balance(),
        "plain balance": head.balance(weighted=False),
        "UᵀR": rest_query,
        "RV": rest_key,
        "on rank": head.on_rank(),
    }
