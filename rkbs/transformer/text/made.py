"""A made language pair: small, without data, and with an order of words that must be learned."""

from __future__ import annotations

import numpy as np

from rkbs._arrays import check_count
from rkbs.transformer.text.parallel import ParallelText

_ARTICLES = {"ein": "a", "der": "the"}
_ADJECTIVES = {"rot": "red", "alt": "old", "klein": "small", "jung": "young"}
_NOUNS = {
    "hund": "dog",
    "mann": "man",
    "vogel": "bird",
    "wagen": "car",
    "baum": "tree",
    "koch": "cook",
}
_VERBS = {"sehen": "see", "malen": "paint", "suchen": "seek", "kaufen": "buy"}
_AUXILIARIES = {"will": "wants to", "kann": "can", "soll": "should"}


def made_corpus(count: int = 200, *, seed: int = 0) -> ParallelText:
    r"""Different sentences of a made German, with their translations.

    subject, auxiliary, object, verb: the verb is last in the source, and before the object in the
    target. An adjective stands before its noun in the source and behind it in the target, after
    "that is". "will" becomes two words.

    Parameters
    ----------
    count : int
        Up to 5000, of 43,200 that there are.
    seed : int

    Examples
    --------
    >>> from rkbs.transformer.text import made_corpus
    >>> text = made_corpus(3)
    >>> print(text.source[0], text.target[0], sep="\n")
    der alt wagen kann ein hund sehen .
    the car that is old can see a dog .
    """
    if check_count(count, "count") > 5000:
        raise ValueError(f"count must be at most 5000, got {count}")
    rng = np.random.default_rng(check_count(seed, "seed", least=0))
    found: dict[str, str] = {}
    while len(found) < count:
        (subject, subject_too), (other, other_too) = _phrase(rng), _phrase(rng)
        verb, auxiliary = _word(rng, _VERBS), _word(rng, _AUXILIARIES)
        source = f"{subject} {auxiliary} {other} {verb} ."
        target = f"{subject_too} {_AUXILIARIES[auxiliary]} {_VERBS[verb]} {other_too} ."
        found[source] = target
    return ParallelText(tuple(found), tuple(found.values()))


def _phrase(rng: np.random.Generator) -> tuple[str, str]:
    """A noun with its article, one in two with an adjective, in both languages."""
    article, noun = _word(rng, _ARTICLES), _word(rng, _NOUNS)
    source, target = noun, f"{_ARTICLES[article]} {_NOUNS[noun]}"
    if rng.random() < 0.5:
        adjective = _word(rng, _ADJECTIVES)
        source, target = f"{adjective} {noun}", f"{target} that is {_ADJECTIVES[adjective]}"
    return f"{article} {source}", target


def _word(rng: np.random.Generator, words: dict[str, str]) -> str:
    return list(words)[rng.integers(len(words))]
