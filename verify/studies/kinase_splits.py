"""What is known and what is new of the kinase data: DeepDTA's folds, and ten cold splits of a kind.

A cold split leaves out a fifth of the drugs, of the targets, or of both, whose pairs with each
other it then tests. Targets of one sequence, equal rows of the similarity, are left out together.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from rkbs.data._cuts import Setting
from rkbs.data.davis import TEST, KinaseBinding
from rkbs.data.pairs import Pairs
from rkbs.data.splits import PairKFold
from rkbs.kernels.precomputed import Precomputed

KNOWN = "known pairs"
COLD: dict[str, Setting] = {"new drugs": "row", "new targets": "column", "both new": "both"}
SEEDS = 10
PARTS = 5
"""Of the drugs, of the targets: one of them is left out."""
INNER = 3
"""Parts of what is left, to choose by: "both" has their nine blocks."""


class Cut(NamedTuple):
    """Masks over all pairs: what is fitted, and what is predicted."""

    train: np.ndarray
    test: np.ndarray


class Split(NamedTuple):
    """A setting, its seed, and the outer cut."""

    setting: str
    seed: int
    cut: Cut


def deepdta(data: KinaseBinding) -> Split:
    """The training parts together, and the fixed test list."""
    test = data.fold.ravel() == TEST
    return Split(KNOWN, 0, Cut(~test, test))


def cold(data: KinaseBinding, setting: str, seed: int) -> Split:
    """A fifth of the drugs, of the targets or of both, drawn by the seed."""
    return Split(setting, seed, _cuts(data, setting, PARTS, np.full(data.z.size, True), seed)[0])


def inner(data: KinaseBinding, split: Split, within: np.ndarray | None = None) -> list[Cut]:
    """Cuts of the training pairs of the same kind, to choose by: each pair is tested once.

    Parameters
    ----------
    data : KinaseBinding
    split : Split
    within : bool array of shape (n,), optional
        Some of the training pairs, in place of all.
    """
    pairs = split.cut.train if within is None else within
    if split.setting != KNOWN:
        return _cuts(data, split.setting, INNER, pairs, split.seed)
    fold = data.fold.ravel()
    return [Cut(pairs & (fold != k), pairs & (fold == k)) for k in np.unique(fold[pairs])]


def _cuts(data: KinaseBinding, setting: str, parts: int, pairs: np.ndarray, seed: int) -> list[Cut]:
    folds = PairKFold(
        parts, leave=COLD[setting], random_state=seed, groups_y=data.target_groups
    ).split(grid_of(data)[pairs])
    numbers = np.flatnonzero(pairs)
    return [Cut(*(_mask(numbers[part], pairs.size) for part in fold)) for fold in folds]


def _mask(numbers: np.ndarray, size: int) -> np.ndarray:
    mask = np.full(size, False)
    mask[numbers] = True
    return mask


def grid_of(data: KinaseBinding) -> Pairs:
    """All pairs, row by row, of row numbers of the similarities."""
    return Pairs.grid(*map(Precomputed.points, data.z.shape))


def similarities(data: KinaseBinding) -> tuple[np.ndarray, np.ndarray]:
    """Of drugs as they are; of targets S_ij/√(S_ii S_jj), which a longer sequence does not raise.

    Of a new target no more is asked than its own scores with itself and with the known ones.
    """
    S = data.target_similarity
    own = np.sqrt(np.diag(S))
    return data.drug_similarity, S / np.outer(own, own)


def digest(data: KinaseBinding, split: Split) -> str:
    """Of the responses, and of what is fitted and predicted: who compares scores compares it."""
    parts = (np.round(data.z, 6).tobytes(), *(np.packbits(mask).tobytes() for mask in split.cut))
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def shared(data: KinaseBinding, cut: Cut) -> dict[str, int]:
    """How many of the pairs, drugs and target sequences to predict are also fitted."""
    n, S = data.z.shape[1], data.target_similarity
    numbers = [np.flatnonzero(mask).tolist() for mask in cut]
    drugs = [{pair // n for pair in part} for part in numbers]
    sequences = [{S[j].tobytes() for j in {pair % n for pair in part}} for part in numbers]
    kinds = {"pairs": [set(part) for part in numbers], "drugs": drugs, "sequences": sequences}
    return {kind: len(train & test) for kind, (train, test) in kinds.items()}
