"""Asks the strategy for candidates and hands them to Ray Tune as trials."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ray.tune.search import Searcher

from raygen.errors import SourceError
from raygen.execute.run import Run
from raygen.runs.records import TrialRecord
from raygen.search.strategies.strategy import Strategy
from raygen.source.candidate import Candidate
from raygen.source.render import render
from raygen.source.structure import count_parameters
from raygen.tasks.task import METRICS

_MOST_ATTEMPTS = 200
"""Candidates in a row that are known already or cannot be built, before the search ends."""


class Proposer(Searcher):  # type: ignore[misc]  # Ray has no types
    """Ray Tune's view of a strategy.

    Trials that an interrupted run left unfinished come first, under their old number. Then each
    suggestion is rendered, written and journalled before Tune hears of it.
    """

    def __init__(self, run: Run, strategy: Strategy, deadline: float) -> None:
        self.sign = 1.0 if METRICS[run.blueprint.metric] == "max" else -1.0
        super().__init__(metric="score", mode=METRICS[run.blueprint.metric])
        self._run, self._strategy, self._deadline = run, strategy, deadline
        known = run.history.trials.values()
        self._unfinished = [trial for trial in known if not trial.state.is_over()]
        self._seen = {trial.candidate for trial in known}
        strategy.skip(len(known))
        for trial in known:
            strategy.begin(int(trial.trial_id), dict(trial.values))
            self.tell(trial)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Leave nothing of it in what Ray Tune pickles for a restore; the journal does that."""
        return (object, ())

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The configuration of the next trial, which is its number and nothing else."""
        if self._run.interruption or time.monotonic() > self._deadline:
            return str(Searcher.FINISHED)
        trial = self._unfinished.pop(0) if self._unfinished else self._new_trial()
        if trial is None:
            return str(Searcher.FINISHED)
        return {"trial_id": trial.trial_id, "job": self._run.job(trial.trial_id, fold=0)}

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: Tune says so before the end is journalled; see ``tell``."""

    def save(self, checkpoint_path: str) -> None:
        """Leave it to the journal."""

    def restore(self, checkpoint_path: str) -> None:
        """Leave it to the journal."""

    def tell(self, trial: TrialRecord) -> None:
        """Let the strategy learn from a trial that is over, as the journal has it."""
        if not trial.state.is_over():
            return
        score = None if trial.state.has_failed() else trial.metrics[self._run.blueprint.metric]
        self._strategy.end(int(trial.trial_id), None if score is None else (self.sign * score,))

    def _new_trial(self) -> TrialRecord | None:
        """Ask, render and write the next trial; None when nothing new is proposed any more."""
        refused = None
        for _ in range(_MOST_ATTEMPTS):
            values = self._strategy.ask()
            if values is None:
                return None
            candidate = Candidate(values)
            if candidate.id in self._seen:
                continue
            self._seen.add(candidate.id)
            try:
                return self._written(candidate)
            except SourceError as error:
                refused = error
                self._run.journal.append("refused", values=values, error=str(error))
        if refused is not None:
            raise refused
        return None

    def _written(self, candidate: Candidate) -> TrialRecord:
        """Put the candidate's model.py and its line in the journal in place."""
        run = self._run
        source = render(run.blueprint, candidate)
        trial_id = f"{len(run.history.trials):05d}"
        paths = run.paths.trial(trial_id)
        paths.folder.mkdir(parents=True, exist_ok=True)
        paths.model.write_text(source.text, encoding="utf-8")
        run.record(
            "trial",
            trial_id=trial_id,
            values=dict(candidate.values),
            candidate=candidate.id,
            source_sha=source.sha,
            num_parameters=count_parameters(run.blueprint.structure(candidate)),
        )
        self._strategy.begin(int(trial_id), dict(candidate.values))
        return run.history.trials[trial_id]
