"""What do the predictions of held-out rows say: which classes are mixed up, how sure is it rightly?

Each row is held out once by the folds of the first deal, so these are predictions of all rows by
networks that have not seen them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raygen.rank.curves import Curves, curves_json, curves_of
from raygen.rank.diagnosis import Diagnosis
from raygen.runs.paths import TrialPaths

_BINS = 15
_MOST_CLASSES = 30
"""In a confusion matrix."""
_MOST_NAMED = 5
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of the rows that were held out."""

    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    """A probability for each class, or a value."""
    fold: NDArray[np.int64]
    """That each row was held out by."""

    def fits(self, y: NDArray[Any]) -> bool:
        """Whether the targets are what is predicted: class numbers, or values."""
        return y.ndim == 1 and y.dtype.kind in ("iu" if self.values.ndim == 2 else "f")


def read_predictions(trial: TrialPaths, folds: int) -> Predictions | None:
    """What a trial's program said of the held-out rows of the first folds.

    None where the predictions of a fold are not there: those of fold 0 come from the search, and
    programs whose predictions are neither classes nor values have none.
    """
    found = []
    for fold in range(folds):
        path = trial.out_of_fold(fold)
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as file:
            found.append((file["rows"], file["predictions"], np.full(len(file["rows"]), fold)))
    rows, values, held_by = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(rows, kind="stable")
    return Predictions(rows[order], values[order].astype(float), held_by[order])


def describe(
    found: Predictions,
    y: NDArray[Any],
    classes: Sequence[str | int] = (),
    *,
    with_curves: bool = False,
) -> dict[str, Any]:
    """What the leaderboard says of an entry's predictions.

    Args:
        found: What was predicted.
        y: The targets of all training rows.
        classes: The labels by their class number.
        with_curves: Whether the points of its curves are told, which are many.
    """
    if found.values.ndim == 1:
        return _of_values(y[found.rows], found.values)
    names = dict(enumerate(classes))
    labels = [names.get(place, place) for place in range(found.values.shape[1])]
    told = _of_classes(y[found.rows], found.values, labels)
    curves = curves_of(y[found.rows], found.values, labels)
    if not curves:
        return told
    areas = {each.label: each for each in curves}
    for each in told["classes"]:
        if each["label"] in areas:
            each |= _areas([areas[each["label"]]])
    told["macro"] |= _areas(curves)
    if with_curves:
        told["curves"] = curves_json(curves, classes=len(labels) <= _MOST_CLASSES)
    return told


def _areas(curves: Sequence[Curves]) -> dict[str, float]:
    """The mean areas below curves."""
    names = ("auc", "average_precision")
    return _rounded((name, np.mean([getattr(each, name) for each in curves])) for name in names)


def never_predicted(told: dict[str, Any]) -> Diagnosis | None:
    """Say which classes that have rows were never the likeliest."""
    missing = [
        each for each in told.get("classes", ()) if each["support"] and not each["predicted"]
    ]
    if not missing:
        return None
    named = ", ".join(f"{each['label']} ({each['support']} rows)" for each in missing[:_MOST_NAMED])
    more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
    count = f"{len(missing)} of {len(told['classes'])} classes"
    return Diagnosis("classes never predicted", f"{count}: {named}{more}")


def _of_classes(
    y: NDArray[Any], p: NDArray[np.float64], labels: Sequence[str | int]
) -> dict[str, Any]:
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support  # slow to import

    guess, places = p.argmax(axis=1), list(range(len(labels)))
    each = precision_recall_fscore_support(y, guess, labels=places, zero_division=0.0)
    averages = {}
    for kind in ("macro", "micro", "weighted"):
        kept = np.union1d(y, guess).tolist() if kind == "macro" else places
        scores = precision_recall_fscore_support(
            y, guess, labels=kept, average=kind, zero_division=0.0
        )
        averages[kind] = _rounded(zip(("precision", "recall", "f1"), scores[:3], strict=True))
    predicted = np.bincount(guess, minlength=len(labels))
    matrix = confusion_matrix(y, guess, labels=places)
    return {
        "rows": len(y),
        "classes": [
            {
                "label": label,
                **_rounded(zip(("precision", "recall", "f1"), scores, strict=True)),
                "support": int(support),
                "predicted": int(count),
            }
            for label, *scores, support, count in zip(labels, *each, predicted, strict=True)
        ],
        **averages,
        "confusion": matrix.tolist() if len(labels) <= _MOST_CLASSES else None,
        "calibration": calibration(np.asarray(guess == y), p.max(axis=1)),
    }


def calibration(right: NDArray[np.bool_], sure: NDArray[np.float64]) -> dict[str, Any]:
    """How often predictions are right, by how sure they are.

    The expected calibration error sum_m |B_m| / n |acc(B_m) - conf(B_m)| over bins of equal width
    of the probability of the likeliest class (M. Naeini, G. Cooper, M. Hauskrecht, AAAI 2015; with
    15 bins C. Guo, G. Pleiss, Y. Sun, K. Weinberger: On calibration of modern neural networks,
    ICML 2017, equation 3).

    Returns:
        ``ece``, and of each bin with rows its mean ``confidence``, its ``accuracy`` and ``rows``.
    """
    place = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    rows = np.bincount(place, minlength=_BINS)
    used = np.flatnonzero(rows)
    confidence = np.bincount(place, weights=sure, minlength=_BINS)[used] / rows[used]
    accuracy = np.bincount(place, weights=right, minlength=_BINS)[used] / rows[used]
    error = float((rows[used] * np.abs(accuracy - confidence)).sum() / len(sure))
    bins = zip(confidence, accuracy, rows[used], strict=True)
    return {
        "ece": round(error, 6),
        "bins": [
            {**_rounded((("confidence", c), ("accuracy", a))), "rows": int(n)} for c, a, n in bins
        ],
    }


def _of_values(y: NDArray[Any], p: NDArray[np.float64]) -> dict[str, Any]:
    """Residuals: what is predicted too low is above zero."""
    left = y - p
    return {
        "rows": len(y),
        "residuals": {
            **_rounded((("mean", left.mean()), ("std", left.std(ddof=1)))),
            "quantiles": [float(f"{each:.6g}") for each in np.quantile(left, _QUANTILES)],
            "worst_row": int(np.abs(left).argmax()),
        },
        "by_prediction": _in_tenths(p, left),
    }


def _in_tenths(p: NDArray[np.float64], left: NDArray[np.float64]) -> list[dict[str, float]]:
    """Of each tenth of the rows by their prediction: its mean, and quartiles of the residuals."""
    parts = np.array_split(np.argsort(p, kind="stable"), 10)
    names = ("predicted", "low", "median", "high")
    return [
        _rounded(
            zip(names, (p[part].mean(), *np.quantile(left[part], (0.25, 0.5, 0.75))), strict=True)
        )
        for part in parts
        if len(part)
    ]


def _rounded(pairs: Any) -> dict[str, float]:
    """The numbers with six digits, which is more than folds can tell."""
    return {name: float(f"{float(value):.6g}") for name, value in pairs}
