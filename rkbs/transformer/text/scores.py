"""BLEU of translations, by ``sacrebleu``."""

from __future__ import annotations

from collections.abc import Sequence


def bleu(translations: Sequence[str], references: Sequence[str], tokenize: str = "13a") -> float:
    """Corpus BLEU, 0 … 100, of one reference a sentence.

    Parameters
    ----------
    translations, references : sequences of str
        As many each.
    tokenize : str
        As of sacrebleu: ``"13a"`` for plain text, ``"none"`` for text in tokens, as Multi30k's.

    Raises
    ------
    ImportError
        Where sacrebleu is not installed.
    ValueError
        For none, or for different numbers of them.

    Examples
    --------
    >>> from rkbs.transformer.text import bleu
    >>> round(bleu(["a dog can see a tree ."], ["a dog can see a tree ."]), 1)
    100.0
    """
    try:
        import sacrebleu
    except ModuleNotFoundError as error:
        raise ImportError(
            "bleu needs sacrebleu, which is not installed: pip install rkbs[text]"
        ) from error
    for name, texts in (("translations", translations), ("references", references)):
        if isinstance(texts, str):
            raise TypeError(f"{name} must be several sentences, got a str: pass [{name}]")
    translations, references = list(translations), list(references)
    if len(translations) != len(references) or not references:
        raise ValueError(
            "translations and references must be as many, one or more, got "
            f"{len(translations)} and {len(references)}"
        )
    # Forced, or sacrebleu warns of what its users are told above.
    found = sacrebleu.corpus_bleu(
        translations, [references], tokenize=tokenize, force=tokenize == "none"
    )
    return float(found.score)
