"""Text for Transformers: corpora in local folders, byte pairs, beam search, BLEU."""

from rkbs.transformer.text.beam import beam_search, translate
from rkbs.transformer.text.bpe import BPE
from rkbs.transformer.text.made import made_corpus
from rkbs.transformer.text.parallel import (
    ParallelText,
    load_fairseq,
    load_iwslt14,
    load_multi30k,
    load_wmt14,
)
from rkbs.transformer.text.scores import bleu
from rkbs.transformer.text.sentiment import LabeledText, load_sst2, load_sst5
from rkbs.transformer.text.splits import Splits

__all__ = [
    "BPE",
    "LabeledText",
    "ParallelText",
    "Splits",
    "beam_search",
    "bleu",
    "load_fairseq",
    "load_iwslt14",
    "load_multi30k",
    "load_sst2",
    "load_sst5",
    "load_wmt14",
    "made_corpus",
    "translate",
]
