"""Hands candidates to Ray Tune as trials, each rendered, written and journalled before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ray.tune.search import Searcher

from raygen.execute.run import Run
from raygen.runs.journal import read_events
from raygen.runs.records import History, State, TrialRecord
from raygen.search.budget import Budget, num_trials
from raygen.search.candidates import Candidates, Proposal, Refused
from raygen.search.trial import trial_config
from raygen.source.candidate import Candidate


class Proposer(Searcher):  # type: ignore[misc]  # Ray has no types
    """Ray Tune's view of the candidates.

    Trials that an interrupted run left unfinished come first, under their old number.

    Args:
        run: The run.
        candidates: Where they come from.
        budget: Says when no more may begin.
        is_full: Whether as many trials as can run are running or waiting for a worker; asked
            where Ray Tune must not count, because it would count paused ones too.
        is_idle: Whether no trial is left that could go on. Ray Tune throws workers away when it
            is told that nothing new will come, so it is told no earlier.
        measure: What is known of a candidate before it is trained.
        configure: From the number of a trial, what Tune is to start it with.
    """

    def __init__(
        self,
        run: Run,
        candidates: Candidates,
        budget: Budget,
        *,
        measure: Callable[[Candidate], Mapping[str, float]],
        is_full: Callable[[], bool] = lambda: False,
        is_idle: Callable[[], bool] = lambda: True,
        configure: Callable[[str], dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(metric="score", mode=run.blueprint.objectives[0].mode)
        self._run, self._candidates, self._budget = run, candidates, budget
        self._is_full, self._is_idle, self._exhausted = is_full, is_idle, False
        self._measure = measure
        self._configure = configure or partial(trial_config, run)
        self.refused = ""
        """Why the last proposals were not allowed, if that ended the search."""
        self._recall()
        known = run.history.trials.values()
        self._unfinished = [trial for trial in known if not trial.state.is_over()]

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Leave nothing of it in what Ray Tune pickles for a restore; the journal does that."""
        return (object, ())

    def more(self) -> bool:
        """Whether a trial may still begin."""
        if self._run.interruption or self._exhausted or self._budget.closed():
            return False
        begun = len(self._run.history.trials)
        return bool(self._unfinished) or begun < num_trials(self._run.experiment.search)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The configuration of the next trial, which is its number and its job."""
        if not self.more():
            return str(Searcher.FINISHED) if self._is_idle() else None
        if self._is_full():
            return None
        trial = self._unfinished.pop(0) if self._unfinished else self._new_trial()
        if trial is None:
            self._exhausted = True
            return str(Searcher.FINISHED) if self._is_idle() else None
        return self._configure(trial.trial_id)

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: Tune says so before the end is journalled; see ``learn``."""

    def save(self, checkpoint_path: str) -> None:
        """Leave it to the journal."""

    def restore(self, checkpoint_path: str) -> None:
        """Leave it to the journal."""

    def learn(self, trial: TrialRecord) -> None:
        """Let strategy and budget know of an epoch, a pause or the end, as the journal has it."""
        self._budget.note(trial)
        self._tell(trial, self._run.history)

    def _recall(self) -> None:
        """Go through the journal as if all of it happened now."""
        history = History()
        for event in read_events(self._run.paths.journal):
            history.take(event)
            if event["event"] not in ("trial", "report", "pause", "end"):
                continue
            trial = history.trials[event["trial_id"]]
            if event["event"] == "trial":
                self._candidates.begin(int(trial.trial_id), trial.values, trial.repeat)
                self._candidates.go_on_from(event.get("drawn", {}))
            else:
                self._budget.note(trial)
                self._tell(trial, history)

    def _tell(self, trial: TrialRecord, history: History) -> None:
        number, scores = int(trial.trial_id), history.scores(trial)
        if trial.state.is_over():
            if trial.state is State.FINISHED and scores is not None:  # its last epoch is its end
                self._candidates.report(number, trial.epoch, scores)
            self._candidates.end(number, scores)
        elif scores is not None and trial.sleeps():
            self._candidates.pause(number, scores)
        elif scores is not None:
            self._candidates.report(number, trial.epoch, scores)

    def _new_trial(self) -> TrialRecord | None:
        """Write and journal the next trial; None when nothing new is proposed any more."""
        try:
            proposal = self._candidates.next()
        except Refused as error:
            self.refused = str(error)
            return None
        return None if proposal is None else self._written(proposal)

    def _written(self, proposal: Proposal) -> TrialRecord:
        """Put the candidate's model.py and its line in the journal in place."""
        run, candidate = self._run, Candidate(proposal.values)
        blueprint = run.blueprint.repeated(proposal.repeat)
        source = blueprint.render(candidate)
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
            **self._measure(candidate),
            repeat=proposal.repeat,
            drawn=self._candidates.drawn(),
        )
        self._candidates.begin(int(trial_id), proposal.values, proposal.repeat)
        return run.history.trials[trial_id]
