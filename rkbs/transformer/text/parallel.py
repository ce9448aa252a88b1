"""Parallel text from a local folder: Multi30k, and fairseq's layout; nothing is downloaded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

from rkbs.transformer.text.splits import Splits, as_folder, folder_of, lines_of

MULTI30K_SOURCE = (
    "Multi30k, task 1, tokenized and in lower case (Elliott et al. 2016; "
    "github.com/multi30k/dataset), a sentence a line, as train.en.gz, val.en.gz, "
    "test_2016_flickr.en.gz and the same of each language,"
)
_MARK = re.compile(r"@@( |$)")
"""With which subword-nmt says that a piece of a word goes on."""


@final
@dataclass(frozen=True)
class ParallelText:
    """Sentences with their translations.

    Examples
    --------
    >>> from rkbs.transformer.text import ParallelText
    >>> text = ParallelText(("ein hund .",), ("a dog .",))
    >>> text, text.target[0]
    (ParallelText of 1 sentences, 'a dog .')
    """

    source: tuple[str, ...]
    target: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return f"ParallelText of {len(self)} sentences"


def load_multi30k(
    source: str = "de", target: str = "en", folder: Path | str | None = None
) -> Splits[ParallelText]:
    """Multi30k: descriptions of pictures in German, English and French; the test of 2016.

    Parameters
    ----------
    source, target : {"de", "en", "fr"}
        Two languages.
    folder : path, optional
        With ``train.en.gz``, ``val.en.gz``, ``test_2016_flickr.en.gz`` and so on, or the same
        without ``.gz``; by default ``$RKBS_DATA/multi30k`` or ``data/multi30k``.

    Raises
    ------
    DataNotFoundError
        For a folder or a file that is missing, saying what to put where.
    ValueError
        For files of one language that are longer than those of the other.

    Examples
    --------
    >>> from rkbs.transformer.text import load_multi30k
    >>> try:
    ...     load_multi30k("de", "en", folder="nowhere")
    ... except FileNotFoundError as error:
    ...     print(str(error).split(". ")[0])
    no train.de.gz in nowhere
    """
    for name, language in (("source", source), ("target", target)):
        if language not in ("de", "en", "fr"):
            raise ValueError(f"{name} must be one of 'de', 'en', 'fr', got {language!r}")
    path = folder_of(folder, "multi30k", MULTI30K_SOURCE)
    ends = f"{source}.gz", f"{target}.gz"
    parts = ("train", "val", "test_2016_flickr")
    return Splits(*(_parallel(path, part, *ends, MULTI30K_SOURCE) for part in parts))


def load_fairseq(folder: Path | str, source: str, target: str) -> Splits[ParallelText]:
    r"""Parallel text in fairseq's layout: ``train.de``, ``train.en``, ``valid.*`` and ``test.*``.

    Marks ``@@`` of subword-nmt are undone: words are cut anew by ``BPE.train``.

    Parameters
    ----------
    folder : path
        Of the plain files, each possibly with ``.gz``.
    source, target : str
        The endings of the files.

    Raises
    ------
    DataNotFoundError, ValueError
        As ``load_multi30k``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from rkbs.transformer.text import load_fairseq
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for part in ("train", "valid", "test"):
    ...     _ = (folder / f"{part}.de").write_text("ein vor@@ hang .\n")
    ...     _ = (folder / f"{part}.en").write_text("a curtain .\n")
    >>> load_fairseq(folder, "de", "en").test.source
    ('ein vorhang .',)
    """
    return _fairseq(as_folder(folder), source, target, _layout(source, target))


def load_iwslt14(folder: Path | str | None = None) -> Splits[ParallelText]:
    """IWSLT14 German → English, as fairseq's ``prepare-iwslt14.sh`` leaves it.

    Parameters
    ----------
    folder : path, optional
        By default ``$RKBS_DATA/iwslt14.tokenized.de-en``.

    Raises
    ------
    DataNotFoundError, ValueError
        As ``load_multi30k``.

    Examples
    --------
    >>> from rkbs.transformer.text import load_iwslt14
    >>> try:
    ...     load_iwslt14("nowhere")
    ... except FileNotFoundError as error:
    ...     print(str(error).split(". ")[0])
    no train.de in nowhere
    """
    return _named(folder, "iwslt14.tokenized.de-en", "prepare-iwslt14.sh", "de", "en")


def load_wmt14(folder: Path | str | None = None) -> Splits[ParallelText]:
    """WMT14 English → French, as fairseq's ``prepare-wmt14en2fr.sh`` leaves it.

    Parameters
    ----------
    folder : path, optional
        By default ``$RKBS_DATA/wmt14_en_fr``.

    Raises
    ------
    DataNotFoundError, ValueError
        As ``load_multi30k``.

    Examples
    --------
    >>> from rkbs.transformer.text import load_wmt14
    >>> try:
    ...     load_wmt14("nowhere")
    ... except FileNotFoundError as error:
    ...     print(str(error).split(". ")[0])
    no train.en in nowhere
    """
    return _named(folder, "wmt14_en_fr", "prepare-wmt14en2fr.sh", "en", "fr")


def _named(
    folder: Path | str | None, name: str, script: str, source: str, target: str
) -> Splits[ParallelText]:
    where = f"fairseq's examples/translation/{script} (or make it), with {_layout(source, target)}"
    path = folder_of(folder, name, where)
    return _fairseq(path, source, target, where)


def _layout(source: str, target: str) -> str:
    names = (f"{part}.{end}" for part in ("train", "valid", "test") for end in (source, target))
    return f"{', '.join(names)}, a sentence a line,"


def _fairseq(path: Path, source: str, target: str, where: str) -> Splits[ParallelText]:
    for name, language in (("source", source), ("target", target)):
        if not isinstance(language, str) or not language:
            raise TypeError(f"{name} must be the ending of a file, such as 'de', got {language!r}")
    texts = (_parallel(path, part, source, target, where) for part in ("train", "valid", "test"))
    return Splits(*(ParallelText(_joined(t.source), _joined(t.target)) for t in texts))


def _joined(sentences: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_MARK.sub("", sentence) for sentence in sentences)


def _parallel(folder: Path, part: str, source: str, target: str, where: str) -> ParallelText:
    sides = [
        tuple(text for _, text in lines_of(folder / f"{part}.{end}", where))
        for end in (source, target)
    ]
    if len(sides[0]) != len(sides[1]):
        raise ValueError(
            f"{part}.{source} and {part}.{target} in {folder} must have as many lines, got "
            f"{len(sides[0])} and {len(sides[1])}: line k of one translates line k of the other"
        )
    return ParallelText(*sides)
