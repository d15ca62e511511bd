"""Does a column of a table tell the answer, or tie rows together that folds part?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from raygen.rank.diagnosis import Diagnosis
from raygen.rank.rows import Rows

_MOST_COLUMNS = 200
_TELLS = 0.99
"""The score from which a single column tells the answer."""
_TIMES = 5.0
"""How many times its errors those of all other columns together must be."""
_FEWEST_ERRORS = 4
"""Of all other columns together."""
_LEAVES = 64
"""Of the tree of a regression: enough for a curve, too few to learn rows by heart."""
_ROWS_OF_A_GROUP = (2.0, 50.0)
"""On average."""
_FEWEST_GROUPS = 20
_GROUPED = 0.1
"""The correlation within groups from which their rows are alike."""
_MOST_TRIED = 3
_DROP = 0.05
"""What whole groups must cost the simple learner: of errors, or of the variance."""


def leak(rows: Rows) -> Diagnosis | None:
    """Name a column by which alone a small tree predicts the target, as all others together do not.

    The target of a regression is taken by its ranks, so that any rising curve counts.
    """
    count = min(rows.features.shape[1], _MOST_COLUMNS) if rows.modality == "table" else 0
    if count < 2 or not rows.deals:
        return None
    scores = np.array([_score_alone(rows, place) for place in range(count)])
    telling = np.flatnonzero(scores >= _TELLS)
    if not 0 < len(telling) < count:
        return None
    error = 1 - float(scores[telling].min())
    without = replace(rows, x=np.delete(rows.features, telling, axis=1), num_categories=0)
    known = np.concatenate([held for _, held in rows.deals])
    missed = float(without.errors(without.predictions[known], known).mean())
    # of a few errors nobody knows whether they are five times as many
    if missed < max(_TIMES * error, _FEWEST_ERRORS / len(known)):
        return None
    score, all_score = "balanced accuracy", "accuracy"
    if rows.regression:
        score, all_score = "R2 of the ranks", "R2"
    named = " and ".join(_name(rows, int(place)) for place in telling)
    told = f"{named} alone predicts the target with {score} {1 - error:.3f}"
    others = f"all others together with {all_score} {1 - missed:.3f}"
    return Diagnosis(
        "a column tells the answer", f"{told}, {others}: is it known before the target is?"
    )


def _score_alone(rows: Rows, place: int) -> float:
    """The score of a small tree on one column, on held-out rows."""
    from sklearn.metrics import r2_score, recall_score
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    x, held_out = rows.features[:, [place]], np.concatenate([held for _, held in rows.deals])
    y: NDArray[Any] = stats.rankdata(rows.y) if rows.regression else rows.y
    if rows.regression:
        tree = DecisionTreeRegressor(max_leaf_nodes=_LEAVES, min_samples_leaf=5, random_state=0)
    else:
        leaves = 2 * (int(rows.y.max()) + 1)
        tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)
    guess = [tree.fit(x[train], y[train]).predict(x[held]) for train, held in rows.deals]
    y, guesses = y[held_out], np.concatenate(guess)
    if rows.regression:
        return float(r2_score(y, guesses))
    return float(recall_score(y, guesses, labels=np.unique(y), average="macro"))


def groups(rows: Rows, most: int) -> Diagnosis | None:
    """Name a column whose values tie rows together, where folds part them.

    Such as a number of a patient: its values repeat, several folds have the same ones, the targets
    of one value are alike, and a simple learner does worse if values are held out as a whole.

    Args:
        rows: All of them, if they are not too many; a sample breaks groups up.
        most: Rows that the learner may see.
    """
    if rows.modality != "table" or not rows.deals:
        return None
    count = min(rows.features.shape[1], _MOST_COLUMNS)
    alike = {place: _likeness(rows, place) for place in range(count) if _is_name(rows, place)}
    for place in sorted(alike, key=lambda each: -alike[each])[:_MOST_TRIED]:
        if alike[place] < _GROUPED:
            break
        pairs = np.unique(np.stack([_values(rows, place), rows.fold]), axis=1)
        folds = np.bincount(pairs[0, pairs[0] >= 0])  # of each value
        dealt, whole, error = _scores_of_whole(rows, place, most)
        if folds.max() == 1 or dealt - whole < max(_DROP, 2 * error):
            continue
        name, score = _name(rows, place), "R2" if rows.regression else "accuracy"
        told = f"{(folds > 1).sum()} of {len(folds)} values of {name} lie in several"
        cost = f"a simple learner has {score} {dealt:.3f}, but {whole:.3f} on values held out whole"
        remedy = f"rank: {{split: grouped, by: {name}}} keeps them together"
        return Diagnosis("groups across folds", f"{told} folds: {cost}; {remedy}")
    return None


def _is_name(rows: Rows, place: int) -> bool:
    """Whether a column holds names: categories or whole numbers, each of them some times."""
    column = rows.features[:, place]
    values = _values(rows, place)
    count, known = int(values.max()) + 1, values >= 0
    fewest, most = _ROWS_OF_A_GROUP
    usual = count >= _FEWEST_GROUPS and fewest * count <= known.sum() <= most * count
    return bool(usual and (column[known] == np.floor(column[known])).all())


def _likeness(rows: Rows, place: int) -> float:
    """How alike the targets of one value are: 1 if they are the same, 0 if as all others.

    One minus the mean square within groups over that of all rows, of a one-way analysis of
    variance (epsilon squared: T. Kelley, 1935); of classes, summed over their indicators.
    """
    values = _values(rows, place)
    known = values >= 0
    targets = rows.y[known, None] if rows.regression else np.eye(rows.y.max() + 1)[rows.y[known]]
    values = values[known]
    counts = np.bincount(values)
    means = [np.bincount(values, weights=column) / counts for column in targets.T]
    within = ((targets - np.stack(means, axis=1)[values]) ** 2).sum() / (len(values) - len(counts))
    total = ((targets - targets.mean(axis=0)) ** 2).sum() / (len(values) - 1)
    return 1 - float(within / total) if total else 0.0


def _scores_of_whole(rows: Rows, place: int, most: int) -> tuple[float, float, float]:
    """The simple learner's scores with rows dealt and with whole values held out.

    Returns:
        Both, and the standard error of their difference, with values as what is drawn.
    """
    from sklearn.model_selection import GroupKFold

    values = _values(rows, place)
    order = np.random.default_rng(0).permutation(int(values.max()) + 1)
    sizes = np.bincount(values[values >= 0])[order]
    drawn = order[np.cumsum(sizes) <= max(most, sizes[0])]
    places = np.flatnonzero(np.isin(values, drawn))
    rows, values = rows.at(places), values[places]
    held_out = np.isfinite(rows.predictions.reshape(len(values), -1)).all(axis=1)
    cost = np.zeros(len(values))
    dealt = rows.errors(rows.predictions, np.arange(len(values)))
    for train, held in GroupKFold(len(rows.deals) or 2).split(values, groups=values):
        cost[held] = rows.errors(rows.predict(train, held), held) - dealt[held]
    cost, dealt, values = cost[held_out], dealt[held_out], values[held_out]
    sums = np.bincount(values, weights=cost)[np.unique(values)]
    error = float(np.std(sums, ddof=1)) * math.sqrt(len(sums)) / len(cost)
    score = 1 - float(dealt.mean())
    return score, score - float(cost.mean()), error


def _values(rows: Rows, place: int) -> NDArray[np.int64]:
    """The number of each row's value in a column; -1 where it is missing."""
    column = rows.features[:, place]
    found, known = np.full(len(column), -1), ~np.isnan(column)
    found[known] = np.unique(column[known], return_inverse=True)[1]
    return found


def _name(rows: Rows, place: int) -> str:
    return rows.names[place] if place < len(rows.names) else f"column {place + 1}"
