"""What to do about it, in the reader's language: as the rule says, else as is known of the failure."""

from __future__ import annotations

from typing import Final

from ...services.failures import Advice, names
from ...services.failures import advice as known_advice
from ..alert import Alert
from ..rule import Rule
from .facts import newest
from .safe import shown

ANY_MEMORY: Final = "out_of_memory"
"""The advice of rules about any lack of memory: what is known of the failure itself says which memory, and so more."""
_GPU: Final = "gpu_oom"


def advice(alert: Alert, rule: Rule | None, language: str) -> str:
    """Cause and remedy in some sentences; empty where nobody knows."""
    group = alert.labels.get("error_group") or newest(alert).get("error_group")
    of_failure = known_advice(str(group), language) if group else None
    own = rule.advice if rule is not None else None
    if own is None or (own == ANY_MEMORY and of_failure is not None):
        return _said(of_failure, language)
    if own == ANY_MEMORY:
        return _said(known_advice(_GPU, language), language)
    return _said(known_advice(own, language), language) if own in names() else shown(own)


def _said(known: Advice | None, language: str) -> str:
    if known is None:
        return ""
    return ("" if language.startswith("zh") else " ").join(known)
