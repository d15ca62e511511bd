"""Which of the best candidates is best? By the folds of the data, or else by what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from raygen.execute.pool import Pool
from raygen.execute.run import Run
from raygen.rank.checks import checking_rows
from raygen.rank.crossval import best_trials, crossvalidate, fit_winner, terms_of
from raygen.rank.fold_models import train_fold_models
from raygen.rank.folds import ranking_json
from raygen.rank.label_noise import suspected_noise
from raygen.rank.leaderboard import Entry
from raygen.rank.out_of_fold import Predictions, describe, never_predicted, read_predictions
from raygen.rank.repeats import rank_repeats
from raygen.rank.seeds import Seeds, seeds_json, seeds_of, train_seeds, unstable
from raygen.rank.together import together_json


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What came of a ranking."""

    entries: list[Entry] = field(default_factory=list)
    """Best first; none if the run is interrupted."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the board says of the ranking as a whole; nothing without folds."""


def rank(run: Run, *, fits: bool) -> Ranking:
    """Rank the best candidates.

    Args:
        run: Its search is done.
        fits: Whether the winner is trained on all rows too, if there are folds.

    Raises:
        TrialError: No candidate could be ranked.
    """
    if not run.blueprint.folds:
        return Ranking(entries=rank_repeats(run))
    with Pool(run) as pool, checking_rows(run):
        entries = crossvalidate(run, pool)
        if not entries:
            return Ranking()
        train_seeds(run, pool, entries[0].trial_id)
        if run.interruption:
            return Ranking()
        if fits:
            fit_winner(run, pool, entries[0])
            if run.experiment.rank.ensemble == "folds" and not run.interruption:
                train_fold_models(run, pool, entries[0])
    return _described(run, entries)


def _described(run: Run, entries: list[Entry]) -> Ranking:
    """The entries with what their predictions of held-out rows say, and what all say together."""
    y = run.rows()["y"]
    found = _predictions(run, entries, y)
    spec = getattr(run.blueprint, "spec", None)  # networks and pretrained models have one
    classes = getattr(spec, "classes", ())
    told = ranking_json(run.history, [trial.trial_id for trial in best_trials(run)], terms_of(run))
    rope = told["terms"]["rope"]
    together = together_json(run, entries, found, y, rope)
    entries, seeds = _with_seeds(run, entries, rope)
    named = any(each["verdict"] == "label noise" for each in run.history.data or ())
    return Ranking(
        entries=[
            _with(entry, found.get(entry.trial_id), y, classes, suspects=not named)
            for entry in entries
        ],
        told={**told, "data": run.history.data, "ensemble": together, "seeds": seeds_json(seeds)},
    )


def _with_seeds(run: Run, entries: list[Entry], rope: float) -> tuple[list[Entry], Seeds | None]:
    """The entries, the first with what its seeds say, and that."""
    first, *others = entries
    seeds = seeds_of(run.history, first.trial_id, terms_of(run))
    found = unstable(seeds, rope) if seeds else None
    if found is None or first.verdict is None:
        return entries, seeds
    verdict = replace(first.verdict, diagnosis=(*first.verdict.diagnosis, found))
    return [replace(first, verdict=verdict), *others], seeds


def _with(
    entry: Entry,
    found: Predictions | None,
    y: np.ndarray,
    classes: Sequence[str | int],
    *,
    suspects: bool,
) -> Entry:
    """An entry with what its predictions of held-out rows say, where these are kept.

    Only the first is asked for wrong labels, unless they are known.
    """
    if found is None or entry.verdict is None:
        return entry
    told = describe(found, y, classes, with_curves=entry.rank == 1)
    more = [never_predicted(told)]
    if suspects and entry.rank == 1 and found.values.ndim == 2:
        more.append(suspected_noise(y[found.rows], found.values))
    diagnosis = (*entry.verdict.diagnosis, *(each for each in more if each))
    return replace(entry, held_out=told, verdict=replace(entry.verdict, diagnosis=diagnosis))


def _predictions(run: Run, entries: list[Entry], y: np.ndarray) -> dict[str, Predictions]:
    """Of those whose held-out rows are all there, by trial."""
    folds = run.experiment.rank.folds
    names = [entry.trial_id for entry in entries]
    found = {name: read_predictions(run.paths.trial(name), folds) for name in names}
    return {name: each for name, each in found.items() if each is not None and each.fits(y)}
