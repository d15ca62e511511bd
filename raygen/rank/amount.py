"""Is there enough to learn from: would more rows help, has each class enough of them?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from raygen.rank.diagnosis import Diagnosis
from raygen.rank.rows import Rows

_GAIN = 0.03
"""What the second half of the rows must still bring: of errors, or of the variance."""
_MOST_NAMED = 5


def too_few_rows(rows: Rows, *, whole: bool) -> Diagnosis | None:
    """Say that the learning curve of a simple learner still rises at its end.

    Args:
        rows: To learn from.
        whole: Whether these are all rows; of a sample the end of the curve is not known.
    """
    if not whole or len(rows.deals) < 2:
        return None
    rng, gains, ends = np.random.default_rng(0), [], []
    for train, held in rows.deals:
        half = rng.permutation(train)[: len(train) // 2]
        with_half = rows.errors(rows.predict(half, held), held).mean()
        with_all = rows.errors(rows.predictions[held], held).mean()
        gains.append(with_half - with_all)
        ends.append((with_half, with_all))
    error = float(np.std(gains, ddof=1)) / math.sqrt(len(gains))
    if np.mean(gains) < max(_GAIN, 2 * error):
        return None
    before, after = 1 - np.mean(ends, axis=0)
    score, count = "R2" if rows.regression else "accuracy", len(rows.deals[0][0])
    told = f"from {count // 2} to {count} rows a simple learner still rises"
    return Diagnosis("too few rows", f"{told} from {score} {before:.3f} to {after:.3f}")


def rare_classes(rows: Rows, folds: int, classes: Sequence[str | int]) -> Diagnosis | None:
    """Name the classes that have fewer rows than there are folds."""
    if rows.regression:
        return None
    counts = np.bincount(rows.y, minlength=len(classes))
    rare = [place for place in np.argsort(counts, kind="stable") if counts[place] < folds]
    if not rare:
        return None
    names = dict(enumerate(classes))
    told = ", ".join(f"{names.get(each, each)} {counts[each]}" for each in rare[:_MOST_NAMED])
    more = f" and {len(rare) - _MOST_NAMED} more" if len(rare) > _MOST_NAMED else ""
    evidence = f"{len(rare)} of {len(counts)} classes have fewer rows than the {folds} folds"
    return Diagnosis("rare classes", f"{evidence}: {told}{more}")
