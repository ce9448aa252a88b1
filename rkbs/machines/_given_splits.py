"""Folds that a CV machine is given: by a splitter, or as the numbers of their pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from rkbs._arrays import check_count
from rkbs.data._cuts import Cut
from rkbs.machines._samples import Samples


def given_cuts(
    cv: Any, name: str, samples: Samples, groups_x: Any, groups_y: Any
) -> list[Cut] | None:
    """The cuts of the pairs in use, None where ``cv`` says how many folds are to be made.

    Parameters
    ----------
    cv : int, None, splitter, or iterable of (train, test)
        A splitter sees the pairs in use; numbers are those of the pairs that came.
    name : str
        What an error calls a number of folds.
    samples : Samples
    groups_x, groups_y
        Of ``fit``: nothing for folds that are given.

    Raises
    ------
    TypeError, ValueError
        For what is none of these, numbers out of range, and folds without pairs to train on or to
        test.
    """
    if cv is None:
        return None
    splits = hasattr(cv, "split") and not isinstance(cv, str)
    if not splits and (isinstance(cv, str) or not np.iterable(cv)):
        check_count(cv, name, 2)
        return None
    if groups_x is not None or groups_y is not None:
        raise ValueError("groups_x and groups_y must be None where cv holds the folds themselves")
    places, parts = np.arange(len(samples.z)), cv
    if splits:
        parts = cv.split(samples.given or samples.pairs, samples.z)
    elif samples.kept is not None:
        places = np.where(samples.kept, np.cumsum(samples.kept) - 1, -1)
    found = [_cut(part, places, len(samples.z)) for part in parts]
    for k, cut in enumerate(found):
        if not (cut.train.any() and cut.test.any()):
            raise ValueError(
                f"cv must hold pairs to train on and to test, of weight above 0, but fold {k + 1} "
                f"has {cut.train.sum()} and {cut.test.sum()}"
            )
    if not found:
        raise ValueError("cv must hold one fold at least, got none")
    return found


def _cut(part: Any, places: np.ndarray, size: int) -> Cut:
    """The masks of (train, test), whose pairs lie at ``places``, −1 where they are not in use."""
    try:
        train, test = part
        train, test = np.asarray(train), np.asarray(test)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "cv must be a number of folds, a splitter, or hold (train, test) for each fold, the "
            f"numbers of the pairs, got {part!r:.50}"
        ) from error
    return Cut(_mask(train, places, size), _mask(test, places, size))


def _mask(chosen: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    if not chosen.size:
        return mask
    try:
        found = places[chosen]
    except IndexError as error:
        raise ValueError(
            f"cv must hold numbers of pairs, from 0 to {len(places) - 1}, or masks of them, got "
            f"{chosen!r:.50}"
        ) from error
    mask[found[found >= 0]] = True
    return mask
