"""What is inside a Transformer's heads: their maps, the form W_Qᵀ W_K, and what trained it."""

from rkbs.transformer.heads.certificate import HeadCertificate
from rkbs.transformer.heads.results import Audit, HeadAudit
from rkbs.transformer.heads.structure import HeadStructure

__all__ = ["Audit", "HeadAudit", "HeadCertificate", "HeadStructure"]
