"""After which epochs are trials compared with each other?"""

from __future__ import annotations

import math

from raygen.search.schedulers.terms import SchedulerTerms

REDUCTION = 3.0
"""The best third of a rung goes on, to three times as many epochs."""


def never(terms: SchedulerTerms) -> tuple[int, ...]:
    """No epoch."""
    return ()


def reduction(terms: SchedulerTerms) -> float:
    """One in how many goes on."""
    return float(terms.options.get("reduction_factor", REDUCTION))


def grace(terms: SchedulerTerms) -> int:
    """The first rung of successive halving.

    There are two rungs, at a ninth and a third of the epochs, and one more for each time that
    the first would still be as late as at one and a half epochs. Rounded down, it would have yet
    another rung after it.
    """
    given = terms.options.get("grace_epochs")
    if given is not None:
        return min(int(given), terms.max_epochs)
    factor = reduction(terms)
    rungs = max(2, math.floor(math.log(max(terms.max_epochs / 1.5, 1.0), factor) + 1e-9))
    return max(1, math.ceil(terms.max_epochs / factor**rungs))


def halving(terms: SchedulerTerms) -> tuple[int, ...]:
    """The rungs of successive halving, as Ray's ASHA places them."""
    factor, first, found = reduction(terms), grace(terms), list[int]()
    while (rung := first * factor ** len(found)) < terms.max_epochs:
        found.append(math.ceil(rung))
    return tuple(found)


def rounds(terms: SchedulerTerms) -> tuple[int, ...]:
    """The epochs at which a round of some bracket of Hyperband ends, but the last rounds."""
    eta, most = reduction(terms), terms.max_epochs
    found: set[int] = set()
    for halvings in range(round(math.log(most) / math.log(eta)), 0, -1):
        length = int(most * eta**-halvings)
        for _ in range(halvings if length else 0):
            found.add(length)
            length = int(min(length * eta, most))
    return tuple(sorted(each for each in found if each < most))


def interval(terms: SchedulerTerms) -> int:
    """Epochs between two looks at a population: a tenth of all, but at least one."""
    given = terms.options.get("interval")
    return max(1, round(terms.max_epochs / 10) if given is None else int(given))


def tenths(terms: SchedulerTerms) -> tuple[int, ...]:
    """Every so many epochs."""
    return tuple(range(interval(terms), terms.max_epochs, interval(terms)))
