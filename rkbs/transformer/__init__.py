"""Transformers with any kernel, and their training: small, plain, and resumed bit for bit."""

from rkbs.transformer.auditing import audit
from rkbs.transformer.batches import Batches
from rkbs.transformer.bert import Bert, BertConfig
from rkbs.transformer.checkpoints import CheckpointError, load_weights, save_weights
from rkbs.transformer.heads.results import Audit
from rkbs.transformer.losses import (
    accuracy,
    classification_loss,
    language_loss,
    token_nll,
    translation_loss,
)
from rkbs.transformer.model import (
    EncoderClassifier,
    EncoderDecoder,
    LanguageModel,
    TransformerConfig,
)
from rkbs.transformer.pretrained import load_encoder
from rkbs.transformer.progress import progress_bar
from rkbs.transformer.recipe import History, Recipe, TrainingDivergedError
from rkbs.transformer.resizing import certified_ranks, cut_heads, grow_heads, growth_rows
from rkbs.transformer.sentence_encoder import SentenceEncoder
from rkbs.transformer.training import train

__all__ = [
    "Audit",
    "Batches",
    "Bert",
    "BertConfig",
    "CheckpointError",
    "EncoderClassifier",
    "EncoderDecoder",
    "History",
    "LanguageModel",
    "Recipe",
    "SentenceEncoder",
    "TrainingDivergedError",
    "TransformerConfig",
    "accuracy",
    "audit",
    "certified_ranks",
    "classification_loss",
    "cut_heads",
    "grow_heads",
    "growth_rows",
    "language_loss",
    "load_encoder",
    "load_weights",
    "progress_bar",
    "save_weights",
    "token_nll",
    "train",
    "translation_loss",
]
