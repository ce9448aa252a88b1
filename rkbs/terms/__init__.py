"""Terms of an objective: losses, penalties of norms, penalties of singular values."""

from rkbs.terms.losses import DualLoss, Loss
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm, Regularizer
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared
from rkbs.terms.spectral_penalties import Schatten, SpectralPenalty
from rkbs.terms.weighted import Weighted

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
    "Weighted",
]
