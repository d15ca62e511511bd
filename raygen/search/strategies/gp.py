"""A Gaussian process over candidates and epochs, and the candidate it expects most of.

Every epoch that is reported counts, so trials that are stopped early teach it too. A candidate is
judged by the expected improvement at its last epoch. docs/benchmarks.md has the measurements that
this is built on, docs/LOG.md those of what was dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc
from threadpoolctl import ThreadpoolController

from raygen.search.encoding import Array, Encoding
from raygen.search.gaussian_process import (
    Kernel,
    Points,
    Posterior,
    log_expected_improvement,
)
from raygen.search.kernel_fit import fit
from raygen.search.strategies.seen import Row, Seen, choose, rungs, standardised
from raygen.search.strategies.strategy import Scores, Strategy, Terms, Values

_FIT_POINTS = 120
_MOST_POINTS = 240
"""A suggestion's time grows with the square of these, so they are bounds."""
_MOST_BELIEVED = 60
_GROWTH = 1.1
"""The kernel is fitted again when a tenth more has been told."""
_GLOBAL = 500
"""Candidates drawn from the whole space."""
_TOPS, _AROUND_TOP = 10, 20
"""Candidates drawn around the best trials."""
_ROUNDS = (0.1, 0.05, 0.02)
"""Standard deviations of the draws around the candidates that are best so far."""
_KEPT, _AROUND_KEPT = 5, 16
_SPREAD = 3
"""So many times as many short trainings as whole ones are needed to begin with."""
_PATIENCE = 10
"""Refusals in a row before candidates are drawn at random."""


@dataclass
class _Trial:
    """What is known of one trial."""

    position: Array
    curve: dict[int, float] = field(default_factory=dict)
    """Scores of the rungs, and of the latest epoch."""
    latest: int = 0


class GP(Strategy):
    """Sobol points until enough is known, and from then on expected improvement.

    Enough are half as many candidates as there are parameters and two, if one of them is over, or
    three times as many that have a score. Guided from the second candidate on it went into one
    corner of the space after the other (docs/LOG.md).
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._encoding = Encoding(terms.space)
        self._threads = ThreadpoolController()
        self._rungs = rungs(terms.max_epochs)
        self._trials: dict[int, _Trial] = {}
        self._running: dict[int, _Trial] = {}
        self._over: list[Row] = []
        self._tried: set[bytes] = set()
        self._refused: list[Array] = []
        self._told = self._fitted = 0
        self._at_first = len(terms.space.parameters) // 2 + 2
        self._any_over = False  # and has a score
        self._scored: set[int] = set()
        self._seen_then: Seen | None = None
        self._kernel: Kernel | None = None

    def begin(self, number: int, values: Values) -> None:
        """Remember where the candidate lies."""
        position = self._encoding.position(values)
        self._trials[number] = self._running[number] = _Trial(position)
        self._tried.update(_keys(position[None]))
        self._refused = []

    def report(self, number: int, epoch: int, scores: Scores) -> None:
        """Put an epoch's score into the trial's curve."""
        trial = self._running[number]
        self._scored.add(number)
        if trial.latest not in self._rungs:
            trial.curve.pop(trial.latest, None)
        trial.latest, trial.curve[epoch] = epoch, scores[0]
        if epoch in self._rungs:
            self._grow()

    def end(self, number: int, scores: Scores | None) -> None:
        """Learn of a failure, or that no more of the curve will be seen."""
        trial = self._running.pop(number)
        last = self.terms.max_epochs
        if scores is None:
            trial.curve = {last: math.nan}
        else:
            self._any_over = True
            self._scored.add(number)
            trial.curve = trial.curve or {last: scores[0]}
        self._over += _rows(number, trial)
        trial.curve = {}
        self._grow()

    def propose(self) -> Values:
        """The candidate of the highest expected improvement among those looked at."""
        with self._threads.limit(limits=1):  # more only get in each other's and the trials' way
            return self._proposal()

    def _proposal(self) -> Values:
        rng, seen = self.rng(), self._seen()
        if len(self._refused) >= _PATIENCE or not self._encoding.size:
            return self.space.sample(rng)
        if self._seen_then is None or not (self._seen_then.is_telling and seen.is_telling):
            position = self._spread()
        else:
            self._kernel = self._kernel or self._fit(self._seen_then)
            position = self._most_promising(seen, rng)
        self._refused.append(position)  # unless it is begun
        return self._encoding.values(position)

    def _grow(self) -> None:
        """See whether it is time for another fit.

        The fit is made of what is known at this moment, not of what is known when somebody asks;
        so a search that was interrupted in between goes on with the same one.
        """
        self._told += 1
        few = len(self._trials) < self._at_first or not self._any_over
        if few and len(self._scored) < _SPREAD * self._at_first:
            return
        if self._told >= max(self._fitted * _GROWTH, self._fitted + 1):
            self._fitted, self._kernel = self._told, None
            self._seen_then = self._seen()

    def _spread(self) -> Array:
        """The next point of a sequence that fills the space evenly."""
        count = 2 ** math.ceil(math.log2(self.asked + 1))
        points = qmc.Sobol(self._encoding.size, seed=self.terms.seed).random(count)
        position: Array = self._encoding.snap(points[self.asked - 1 : self.asked])[0]
        return position

    def _fit(self, seen: Seen) -> Kernel:
        lots = np.random.default_rng((self.terms.seed, self._fitted))
        chosen = choose(seen, _FIT_POINTS, lots)
        return fit(self._points(chosen), standardised(seen, chosen), self._encoding.group)

    def _most_promising(self, seen: Seen, rng: np.random.Generator) -> Array:
        assert self._kernel is not None, "it is fitted first"
        chosen = choose(seen, _MOST_POINTS, rng)
        scores = standardised(seen, chosen)
        posterior = Posterior(self._kernel, self._points(chosen), scores)
        best = self._best_and_believed(posterior, chosen, scores)

        def promise(positions: Array) -> Array:
            features = self._encoding.features(positions)
            mean, variance = posterior.untried(features)
            found = log_expected_improvement(mean, np.sqrt(variance), best)
            if self._refused:  # what lies beside the refused is likely to be refused as well
                refused = self._encoding.features(np.array(self._refused))
                alike = posterior.likeness(features, refused).max(axis=1)
                found = found + np.log(np.maximum(1 - alike**2, 1e-12))
            known = [key in self._tried for key in _keys(positions)]
            return np.where(known, -np.inf, found)

        order = np.argsort(-scores, kind="stable")
        tops = list(dict.fromkeys(chosen.trial[order].tolist()))[:_TOPS]
        return self._climb(promise, np.array([self._trials[each].position for each in tops]), rng)

    def _best_and_believed(self, posterior: Posterior, chosen: Seen, scores: Array) -> float:
        """The score to improve on; what has no last score yet is believed to end at its mean.

        Stopped trials are believed too: to propose their neighbours would be to start them again.
        """
        last = chosen.epoch == self.terms.max_epochs
        over = set(chosen.trial[last].tolist())
        believed = [
            number
            for number in dict.fromkeys([*chosen.trial.tolist(), *self._running])
            if number not in over
        ]
        best = float(scores[last].max()) if last.any() else -math.inf
        if believed:
            ends = self._points_at(np.array(believed), np.zeros(len(believed)))
            mean, variance = posterior.of_trials(ends)
            hopeful = np.argsort(-(mean + 2 * np.sqrt(variance)), kind="stable")
            posterior.believe(ends.at(np.sort(hopeful[:_MOST_BELIEVED])))
            best = max(best, float(mean.max()))
        return best

    def _climb(
        self, promise: Callable[[Array], Array], tops: Array, rng: np.random.Generator
    ) -> Array:
        """Look at random candidates and at some around the best ones, ever closer."""
        around = self._near(np.repeat(tops, _AROUND_TOP, axis=0), _ROUNDS[0], rng)
        drawn = np.concatenate([rng.random((_GLOBAL, self._encoding.size)), around])
        positions = self._encoding.snap(drawn)
        found = promise(positions)
        for deviation in _ROUNDS:
            kept = np.argsort(-found, kind="stable")[:_KEPT]
            near = self._near(np.repeat(positions[kept], _AROUND_KEPT, axis=0), deviation, rng)
            near = self._encoding.snap(near)
            positions = np.concatenate([positions[kept], near])
            found = np.concatenate([found[kept], promise(near)])
        best: Array = positions[np.argmax(found)]
        return best

    def _near(self, positions: Array, deviation: float, rng: np.random.Generator) -> Array:
        """Move some parameters of each position (n, parameters) a little, options anywhere."""
        count, size = positions.shape
        changed = rng.random((count, size)) < max(1.5 / size, 0.3)
        changed[np.arange(count), rng.integers(size, size=count)] = True
        moved = positions + changed * rng.standard_normal((count, size)) * deviation
        moved = 1 - np.abs(1 - np.abs(moved))  # reflected at 0 and at 1
        anywhere = changed & self._encoding.is_coarse & (rng.random((count, size)) < 0.5)
        return np.where(anywhere, rng.random((count, size)), moved)

    def _seen(self) -> Seen:
        """All that is known so far: of trials that are over, then of those that run."""
        rows = [row for number, trial in self._running.items() for row in _rows(number, trial)]
        return Seen.of([*self._over, *rows])

    def _points(self, seen: Seen) -> Points:
        most = self.terms.max_epochs
        share = np.log(seen.epoch) / math.log(most) if most > 1 else np.ones(len(seen.epoch))
        return self._points_at(seen.trial, np.maximum(1.0 - share, 0.0))

    def _points_at(self, trials: NDArray[np.int64], distance: Array) -> Points:
        positions = np.array([self._trials[number].position for number in trials.tolist()])
        features = self._encoding.features(positions)
        return Points(features=features, distance=distance, trial=trials)


def _keys(positions: Array) -> list[bytes]:
    """What is the same for the same candidate, whatever its last digits."""
    return [each.tobytes() for each in np.round(positions, 9)]


def _rows(number: int, trial: _Trial) -> list[Row]:
    return [(number, epoch, score) for epoch, score in trial.curve.items()]
