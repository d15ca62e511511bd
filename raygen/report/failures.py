"""In which part of the space do trials fail, and how likely is that by chance?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raygen.config.domain import Choice
from raygen.config.space import Parameter
from raygen.report.chance import hypergeometric_tail
from raygen.report.scale import number_text, place_of, places_of
from raygen.report.view import SearchView

_MOST_CUTS = 50
"""Values of one parameter that are tried as the edge of a region."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where most trials fail, and most that fail lie."""

    where: str
    """In words: ``learning_rate >= 0.03``."""
    trials: int
    failed: int
    chance: float
    """How likely so many failures in any region tried are, if they had nothing to do with it."""


def densest_region(
    view: SearchView, places: Sequence[int], failed: NDArray[np.bool_]
) -> Region | None:
    """The option, or the end of a range, that best tells failed trials from others.

    Args:
        view: The search.
        places: Of the trials that ended.
        failed: Which of these failed.

    Returns:
        None if none holds three fifths of the failures and fails in half of its trials. The chance
        is Fisher's one-sided exact test, times the number of regions tried (Bonferroni).
    """
    tried, found = 0, []
    for parameter in view.parameters:
        for where, inside in _cuts(view, parameter, places, failed):
            tried += 1
            count, hits = int(inside.sum()), int((inside & failed).sum())
            if hits >= max(3, 0.5 * count, 0.6 * failed.sum()):
                chance = hypergeometric_tail(hits, len(places), int(failed.sum()), count)
                found.append(Region(where=where, trials=count, failed=hits, chance=chance))
    if not found:
        return None
    best = min(found, key=lambda region: region.chance)
    chance = min(tried * best.chance, 1.0)
    return Region(where=best.where, trials=best.trials, failed=best.failed, chance=chance)


def _cuts(
    view: SearchView, parameter: Parameter, places: Sequence[int], failed: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Parts of the space that one parameter marks off, and which trials lie in each."""
    values = [view.trials[place].current.get(parameter.name) for place in places]
    x = places_of(values, parameter.domain)
    if isinstance(parameter.domain, Choice):
        for option in parameter.domain.options:
            yield f"{parameter.name} {option}", x == place_of(option, parameter.domain)
        return
    edges = np.unique(x[failed & np.isfinite(x)])
    texts = {at: value for at, value in zip(x, values, strict=True) if value is not None}
    for edge in edges[:: max(len(edges) // _MOST_CUTS, 1)]:
        text = number_text(float(texts[edge]))
        yield f"{parameter.name} >= {text}", x >= edge
        yield f"{parameter.name} <= {text}", x <= edge
