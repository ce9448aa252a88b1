"""A bar that shows how training goes on."""

from __future__ import annotations

from typing import Any

from rkbs.attention.heads.training import Progress


def progress_bar(label: str = "training") -> Progress:
    """A bar for ``train(progress=…)``, drawn by tqdm.

    Raises
    ------
    ImportError
        Where tqdm is not installed.

    Examples
    --------
    >>> from rkbs.transformer import progress_bar
    >>> bar = progress_bar()
    >>> for step in range(3):
    ...     bar(step + 1, 3)
    >>> callable(bar)
    True
    """
    try:
        from tqdm import tqdm
    except ModuleNotFoundError as error:
        raise ImportError(
            "progress_bar needs tqdm, which is not installed: pip install rkbs[text]"
        ) from error
    bar: Any = None

    def report(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(total=total, desc=label, unit="step", mininterval=0.5)
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return report
