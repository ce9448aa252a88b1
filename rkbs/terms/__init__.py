"""Terms of an objective: losses, penalties of norms, penalties of singular values."""

from rkbs.terms.losses import DualLoss, EpsilonInsensitive, Hinge, Huber, Logistic, Loss, Squared
from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm, Regularizer
from rkbs.terms.spectral_penalties import Schatten, SpectralPenalty

__all__ = [
    "DualLoss",
    "EpsilonInsensitive",
    "HalfSquare",
    "Hinge",
    "Huber",
    "Logistic",
    "Loss",
    "Norm",
    "PowerNorm",
    "Regularizer",
    "Schatten",
    "SpectralPenalty",
    "Squared",
]
