"""Parts of a corpus, and the lines of its files."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from rkbs.data.gdsc import DataNotFoundError, data_folder

Text = TypeVar("Text")


class Splits(NamedTuple, Generic[Text]):
    """What is trained on, tuned by, and judged by.

    Examples
    --------
    >>> from rkbs.transformer.text import ParallelText, Splits
    >>> text = ParallelText(("ein hund .",), ("a dog .",))
    >>> Splits(text, text, text).valid
    ParallelText of 1 sentences
    """

    train: Text
    valid: Text
    test: Text


def lines_of(path: Path, where: str) -> Iterator[tuple[int, str]]:
    """The lines of a text, numbered from 1; of its ``.gz``, or without, whichever is there."""
    other = path.with_suffix("") if path.suffix == ".gz" else path.with_name(f"{path.name}.gz")
    found = next((p for p in (path, other) if p.is_file()), None)
    if found is None:
        raise DataNotFoundError(
            f"no {path.name} in {path.parent}. Get {where} and put the files there, or set "
            "RKBS_DATA to the folder that holds the data sets, each in a folder of its own"
        )
    content = found.read_bytes()
    if found.suffix == ".gz":
        content = gzip.decompress(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{found} must be UTF-8: {error.reason} at byte {error.start}") from error
    # Of line feeds alone: texts hold other marks that Python takes for ends of lines.
    lines = text.removesuffix("\n").split("\n")
    return ((number, line.strip()) for number, line in enumerate(lines, start=1))


def folder_of(folder: Path | str | None, name: str, source: str) -> Path:
    """``folder`` as a path; by default that of a data set."""
    return data_folder(name, source) if folder is None else as_folder(folder)


def as_folder(folder: Path | str) -> Path:
    """``folder`` as a path; ``TypeError`` for what is none."""
    if not isinstance(folder, (str, Path)):
        raise TypeError(f"folder must be a path, got {folder!r}")
    return Path(folder)
