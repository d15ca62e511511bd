"""What would other thresholds bring: the ROC and the precision-recall curve of held-out rows?

A curve has each row once, whichever fold held it out, so it supposes that the folds' networks mean
the same by a probability (G. Forman and M. Scholz: Apples-to-apples in cross-validation studies,
SIGKDD Explorations 12(1), 2010). ``rank.metric: auc`` is the mean of each fold's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_POINTS = 100
"""Of a curve, at most."""
_GRID = np.linspace(0.0, 1.0, _POINTS + 1)
"""Where the mean curve is taken."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curves:
    """Of one class against all others."""

    label: str | int
    share: float
    """Of the rows that are of this class, which is the precision of guessing."""
    auc: float
    average_precision: float
    false_positive: _Floats
    """Shares of the rows of other classes that are taken for this one, with ``true_positive``."""
    true_positive: _Floats
    recall: _Floats
    """Each that is reached, from 0 up, with the ``precision`` of the first threshold that does."""
    precision: _Floats


def curves_of(y: NDArray[Any], p: _Floats, labels: Sequence[str | int]) -> tuple[Curves, ...]:
    """The curves of each class that has rows and is not all; of two classes those of the second.

    Args:
        y: The class numbers.
        p: A probability for each class.
        labels: Of the classes.
    """
    from sklearn.metrics import auc as area  # slow to import
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

    found = []
    for place in [1] if len(labels) == 2 else range(len(labels)):
        is_it = y == place
        if not 0 < is_it.sum() < len(y):
            continue
        false_positive, true_positive, _ = roc_curve(is_it, p[:, place])
        recall, precision = _steps(*precision_recall_curve(is_it, p[:, place])[:2])
        found.append(
            Curves(
                label=labels[place],
                share=float(is_it.mean()),
                auc=float(area(false_positive, true_positive)),
                average_precision=float(average_precision_score(is_it, p[:, place])),
                false_positive=false_positive,
                true_positive=true_positive,
                recall=recall,
                precision=precision,
            )
        )
    return tuple(found)


def curves_json(curves: Sequence[Curves], *, classes: bool = True) -> dict[str, Any]:
    """The areas and the points of each class, and of the means over the classes.

    The mean curves are those of the macro average: at each false positive rate the mean of the
    true positive rates, and at each recall the mean of the precisions of the first thresholds that
    reach it, so that the areas below them are the mean AUC and the mean average precision.

    Args:
        curves: At least one.
        classes: Whether the curves of the classes are told too.
    """
    true_positive = [np.interp(_GRID, each.false_positive, each.true_positive) for each in curves]
    precision = [_precision_at(_GRID, each) for each in curves]
    return {
        "auc": _number(np.mean([each.auc for each in curves])),
        "average_precision": _number(np.mean([each.average_precision for each in curves])),
        "share": _number(np.mean([each.share for each in curves])),
        "roc": [[0.0, 0.0], *_points(_GRID, np.mean(true_positive, axis=0))],
        "precision_recall": _points(_GRID, np.mean(precision, axis=0)),
        "classes": [
            {
                "label": each.label,
                "auc": _number(each.auc),
                "average_precision": _number(each.average_precision),
                "share": _number(each.share),
                "roc": _thinned(each.false_positive, each.true_positive),
                "precision_recall": _thinned(each.recall, each.precision),
            }
            for each in (curves if classes else ())
        ],
    }


def _steps(precision: _Floats, recall: _Floats) -> tuple[_Floats, _Floats]:
    """The steps whose area is the average precision: sum of (R_n - R_(n-1)) P_n.

    Args:
        precision: By falling recall, of which several thresholds may have the same.
        recall: Ends with 0, where nothing is taken for the class.
    """
    reached, first = np.unique(recall[::-1], return_index=True)
    found = precision[::-1][first]
    return reached, np.concatenate([found[1:2], found[1:]])


def _precision_at(recalls: _Floats, curves: Curves) -> _Floats:
    """The precision of the first threshold that reaches each recall."""
    reached = np.searchsorted(curves.recall, recalls - 1e-12, side="left")
    found: _Floats = curves.precision[np.minimum(reached, len(curves.recall) - 1)]
    return found


def _thinned(x: _Floats, y: _Floats) -> list[list[float]]:
    """The points of a curve, or so many of them at even distances along it."""
    if len(x) > _POINTS:
        along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
        wanted = np.linspace(0.0, along[-1], _POINTS)
        kept = np.unique(np.searchsorted(along, wanted, side="left").clip(0, len(x) - 1))
        kept = np.union1d(kept, [0, len(x) - 1])
        x, y = x[kept], y[kept]
    return _points(x, y)


def _points(x: _Floats, y: _Floats) -> list[list[float]]:
    return [[round(float(a), 4), round(float(b), 4)] for a, b in zip(x, y, strict=True)]


def _number(value: Any) -> float:
    return float(f"{float(value):.6g}")
