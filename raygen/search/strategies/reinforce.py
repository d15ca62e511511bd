"""A policy that is reinforced by its scores (Zoph & Le 2017, arXiv 1611.01578).

In place of the paper's recurrent controller each parameter has a categorical policy of its own:
with some hundred scores there is no recurrent network to be trained. The rest is the paper's:
REINFORCE with the moving average of earlier scores as baseline, here with a bonus on entropy.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from raygen.config.domain import same
from raygen.config.space import Value
from raygen.search.encoding import Axis, Encoding
from raygen.search.strategies.strategy import Scores, Strategy, Terms, Values

_BINS = 10
"""Parts of a range with more values than this; inside of one all are as likely."""
_RATE = 0.25
"""Step along the gradient, at an advantage of one standard deviation."""
_ENTROPY = 0.02
_DECAY = 0.9
"""Weight of the past in the moving averages of the scores and of their squared deviations."""
_CLIP = 3.0
"""Most standard deviations that count of an advantage."""
_TRIES = 20
"""Draws that are known already, before a uniform draw is proposed instead."""


class Reinforce(Strategy):
    """One categorical policy for each parameter; inactive parameters neither draw nor learn.

    Scores arrive in any order: each is credited to the policy as it stands then. Candidates that
    are known, pending ones among them, are drawn again.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._policies = {axis.name: _Policy(axis) for axis in Encoding(terms.space).axes}
        self._known: set[str] = set()
        self._pending: dict[int, Values] = {}
        self._baseline = math.nan
        self._variance = 0.0
        self._worst = math.nan

    def propose(self) -> Values:
        """Draw from the policies, from the first parameter to the last."""
        rng = self.rng()
        for _ in range(_TRIES):
            drawn: Values = {}
            for each in self.space.parameters:
                if each.is_active(drawn):
                    drawn[each.name] = self._policies[each.name].draw(rng)
            if _key(drawn) not in self._known:
                return drawn
        return self.space.sample(rng)

    def begin(self, number: int, values: Values) -> None:
        """Know the candidate, so that it is drawn again if it comes once more."""
        self._pending[number] = dict(values)
        self._known.add(_key(values))

    def pause(self, number: int, scores: Scores) -> None:
        """Credit what it has reached so far; its end will be credited, too."""
        self._learn(self._pending[number], scores)

    def end(self, number: int, scores: Scores | None) -> None:
        """Make the candidate's choices more likely if it beat the baseline, else less likely."""
        self._learn(self._pending.pop(number), scores)

    def _learn(self, values: Values, scores: Scores | None) -> None:
        advantage = self._advantage(self._worst if scores is None else scores[0])
        for name, value in values.items():
            self._policies[name].learn(value, advantage)

    def _advantage(self, score: float) -> float:
        """Deviations by which a score beats the moving average; a failure is the worst score."""
        if math.isnan(score):  # nothing but failures yet: all are as bad
            return 0.0
        if math.isnan(self._baseline):
            self._baseline = self._worst = score
        self._worst = min(self._worst, score)
        above = score - self._baseline
        self._baseline += (1 - _DECAY) * above
        self._variance = _DECAY * (self._variance + (1 - _DECAY) * above**2)
        if self._variance == 0:
            return 0.0
        return min(max(above / math.sqrt(self._variance), -_CLIP), _CLIP)


class _Policy:
    """What is chosen for one parameter: one of its values, or one of the parts of its range."""

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        few = axis.size is not None and (bool(axis.options) or axis.size <= _BINS)
        self._values = axis.domain.grid(axis.size) if few and axis.size is not None else ()
        self._logits = np.zeros(len(self._values) or _BINS)

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw a value."""
        shares = np.cumsum(_softmax(self._logits))
        chosen = int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))
        if self._values:
            return self._values[chosen]
        return self._axis.value((chosen + float(rng.random())) / _BINS)

    def learn(self, value: Value, advantage: float) -> None:
        """Make a value more likely if its advantage is positive, else less likely."""
        policy = _softmax(self._logits)
        logs = np.log(policy)
        # the gradients of log p(chosen) and of the entropy with respect to the logits
        towards = -policy
        towards[self._index(value)] += 1
        wider = -policy * (logs - (policy * logs).sum())
        self._logits += _RATE * (advantage * towards + _ENTROPY * wider)

    def _index(self, value: Value) -> int:
        if self._values:
            return next(index for index, each in enumerate(self._values) if same(each, value))
        return min(int(self._axis.position(value) * _BINS), _BINS - 1)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    # the floor keeps the logarithm of a policy finite
    powers = np.maximum(np.exp(logits - logits.max()), 1e-12)
    policy: NDArray[np.float64] = powers / powers.sum()
    return policy


def _key(values: Values) -> str:
    return repr(sorted(values.items()))
