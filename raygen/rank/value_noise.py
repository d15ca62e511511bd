"""How many values to predict are wrong? By those that sure predictions of held-out rows contradict.

It is ``label_noise`` for a regression. A prediction is sure where the trees of a forest agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from raygen.rank.diagnosis import Diagnosis
from raygen.rank.rows import Rows

_SURE = 0.25
"""The share of the rows with the surest predictions."""
_FEWEST = 100
"""Of these at least so many."""
_FAR = 0.35
"""Between the ranks of a value and of its prediction, as a share of the rows."""
_OF_SHUFFLED = (1 - _FAR) ** 2
"""The share of shuffled values that lie so far from what they were: two uniform numbers do."""
_LEAST = 0.05
"""Values that far off that are worth a word."""
_STEADY = 0.85
"""The share of all predictions' contradictions that the surest must have too."""
_LEARNT = 0.35
"""R2 of the ranks below which too little is learnt to tell."""
_LEVEL = 0.05


def value_noise(rows: Rows) -> Diagnosis | None:
    """Say that values are wrong, where it is not the learner that is.

    A learner that is too weak, and targets that spread more in some places, make errors where the
    trees disagree: the surest quarter of the predictions is right. Wrong values contradict these
    nearly as often as all others, and so does a cause that no column tells. Values and predictions
    are compared by their ranks, so that a long tail of the target is no error.
    """
    if not rows.regression or not rows.deals or rows.modality == "text":
        return None
    ranks = (stats.rankdata(rows.y) - 0.5) / len(rows.y)
    guess, spread = _predicted(rows, ranks)
    if 1 - float(np.mean((ranks - guess) ** 2)) / float(np.var(ranks)) < _LEARNT:
        return None
    far = np.abs(ranks - guess) > _FAR
    count = round(_SURE * len(far))
    wrong = int(far[np.argsort(spread, kind="stable")[:count]].sum())
    if count < _FEWEST or wrong < _STEADY * count * float(far.mean()):
        return None
    chance = float(special.betainc(wrong, count - wrong + 1, _LEAST)) if wrong else 1.0
    if chance > _LEVEL:
        return None
    share = min(wrong / count / _OF_SHUFFLED, 1.0)
    told = f"about {100 * share:.0f} % of {len(far)} values may be wrong, or of a cause that no"
    sure = (
        f"{100 * wrong / count:.0f} % of a simple learner's surest predictions are far off theirs"
    )
    return Diagnosis("label noise", f"{told} column tells: {sure}")


def _predicted(
    rows: Rows, ranks: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rank that a forest predicts of each row when it is held out, and how far trees differ."""
    from sklearn.ensemble import RandomForestRegressor

    guess, spread = np.empty(len(ranks)), np.empty(len(ranks))
    for train, held in rows.deals:
        forest = RandomForestRegressor(
            60, max_features=1 / 3, min_samples_leaf=5, random_state=0
        ).fit(rows.features[train], ranks[train])
        trees = np.stack([tree.predict(rows.features[held]) for tree in forest.estimators_])
        guess[held], spread[held] = trees.mean(axis=0), trees.std(axis=0)
    return guess, spread
