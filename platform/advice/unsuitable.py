"""Keywords that bring calls which are seldom wanted. Pure.

A keyword with two calls, neither of them wanted, says little: every keyword is held to be like all others until its own
calls say otherwise (a Beta distribution around the usual share, worth :data:`PRIOR_CALLS` calls). It is named only when
its share of target calls is below half the usual one with a probability of at least :data:`LEAST_PROBABILITY`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from .model import KeywordCalls, Unsuitable

PRIOR_CALLS: Final = 4.0
#: Of the usual share: below this a keyword is unsuitable.
BELOW: Final = 0.5
LEAST_PROBABILITY: Final = 0.9
_GRID: Final = (np.arange(2_000) + 0.5) / 2_000


def usual_share(keywords: Sequence[KeywordCalls]) -> float | None:
    """Of target calls, over all keywords; None without calls."""
    calls = sum(one.calls for one in keywords)
    return sum(one.target_calls for one in keywords) / calls if calls else None


def unsuitable(keywords: Sequence[KeywordCalls]) -> list[Unsuitable]:
    """The surest first."""
    usual = usual_share(keywords)
    if not usual:
        return []
    judged = [Unsuitable(keyword=one, probability=_probability(one, usual)) for one in keywords if one.calls]
    found = [one for one in judged if one.probability >= LEAST_PROBABILITY]
    return sorted(found, key=lambda one: (-one.probability, -one.keyword.calls, one.keyword.keyword))


def _probability(keyword: KeywordCalls, usual: float) -> float:
    """That the keyword's share lies below :data:`BELOW` of the usual one."""
    alpha = usual * PRIOR_CALLS + keyword.target_calls
    beta = (1.0 - usual) * PRIOR_CALLS + keyword.calls - keyword.target_calls
    logarithm = (alpha - 1.0) * np.log(_GRID) + (beta - 1.0) * np.log1p(-_GRID)
    weights = np.exp(logarithm - logarithm.max())
    return float(weights[BELOW * usual > _GRID].sum() / weights.sum())
