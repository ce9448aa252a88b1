"""Attention as a kernel method; the one part of rkbs that needs PyTorch."""

try:
    import torch as _torch  # noqa: F401 - asked for here, so that its absence has a clear answer
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ImportError(
        "rkbs.attention needs PyTorch, which is not installed: pip install rkbs[attention]"
    ) from error

from rkbs.attention.functional import attention_path, kernel_attention
from rkbs.attention.heads.ensemble import TwoTowerEnsemble
from rkbs.attention.heads.linear import LinearHeads, train_linear_heads
from rkbs.attention.heads.training import Adam, Method, Training, train_heads
from rkbs.attention.heads.two_tower import TwoTowerHead
from rkbs.attention.heads.variable_projection import VariableProjection
from rkbs.attention.initialization import start_gain
from rkbs.attention.learned import LearnedKernel
from rkbs.attention.module import KernelAttention
from rkbs.attention.multihead import MultiheadKernelAttention
from rkbs.attention.paths.automatic import Automatic
from rkbs.attention.paths.base import Path
from rkbs.attention.paths.blocked import Blocked
from rkbs.attention.paths.dense import Dense
from rkbs.attention.paths.features import Features
from rkbs.attention.paths.flex import Flex
from rkbs.attention.paths.fused import Fused

__all__ = [
    "Adam",
    "Automatic",
    "Blocked",
    "Dense",
    "Features",
    "Flex",
    "Fused",
    "KernelAttention",
    "LearnedKernel",
    "LinearHeads",
    "Method",
    "MultiheadKernelAttention",
    "Path",
    "Training",
    "TwoTowerEnsemble",
    "TwoTowerHead",
    "VariableProjection",
    "attention_path",
    "kernel_attention",
    "start_gain",
    "train_heads",
    "train_linear_heads",
]
