"""What of a run's folder can be shown, be it searched, ranked, or still running?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.console import RenderableType

from raygen.config.load import load_experiment
from raygen.config.schema import Experiment
from raygen.config.space import Space
from raygen.config.spaces import space_of
from raygen.errors import RaygenError, RunError
from raygen.finetune.space import finetuning_space
from raygen.report.tables import search_panel
from raygen.report.view import SearchView, view_of
from raygen.runs.board import no_run, read_board
from raygen.runs.paths import RunPaths
from raygen.runs.records import History

_TOP = 10


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A run as its folder has it."""

    experiment: Experiment
    history: History
    ranked: Mapping[str, Any] | None = None
    """The leaderboard, if there is one."""

    @cached_property
    def space(self) -> Space:
        """What was searched; a run's config always names it."""
        if self.experiment.model.pretrained is not None:
            return finetuning_space(self.experiment)
        return space_of(self.experiment, default="")

    @cached_property
    def search(self) -> SearchView:
        """What can be drawn."""
        return view_of(self.history, self.space, name=self.experiment.name, board=self.ranked)

    @property
    def is_single(self) -> bool:
        """Whether it is one training without a search, as ``raygen finetune`` begins it."""
        return bool(self.history.fit) and not self.history.sessions and not self.history.folds

    def training(self) -> str:
        """How far that one training has come, and its scores."""
        fit, epochs = self.history.fit, self.experiment.search.max_epochs
        came = f"epoch {fit['epoch']} of {epochs}, {fit['seconds']:.0f} s"
        scores = ", ".join(f"{name} {score:.4g}" for name, score in self._scores().items())
        told = f"test {scores}" if scores else "not scored yet"
        return f"{self.experiment.name}: one training without a search, {came}; {told}"

    def table(self) -> RenderableType:
        """The search as it stands, before anything is ranked."""
        trials = self.experiment.search.trials or len(self.history.trials)
        return search_panel(
            self.history,
            total=max(trials, len(self.history.trials)),
            metric=self.history.metric,
            elapsed_s=self.history.search_seconds,
            max_epochs=self.experiment.search.max_epochs,
            title=self.experiment.name,
            top=_TOP,
        )

    def board(self) -> dict[str, Any]:
        """A leaderboard without entries, with the search in their place."""
        best = self.search.ranked[:_TOP]
        trials = [self.search.trials[place] for place in best]
        return {
            "name": self.experiment.name,
            "metric": self.history.metric,
            "mode": self.history.mode,
            "entries": [],
            "test": self._scores(),
            "search": {
                "trials": len(self.history.trials),
                "ended": sum(trial.state.is_over() for trial in self.history.trials.values()),
                "seconds": round(self.history.search_seconds, 3),
                "best": [
                    {
                        "trial_id": trial.trial_id,
                        "state": trial.state.value,
                        "epoch": trial.epoch,
                        "score": trial.curve[-1],
                        "values": dict(trial.current),
                    }
                    for trial in trials
                ],
            },
        }

    def _scores(self) -> dict[str, float]:
        """Those of the test rows; none before the end."""
        return dict(self.history.test.get("metrics", {}))


def read_run(paths: RunPaths) -> RunView:
    """Read what a run has left so far; the run may go on meanwhile.

    Raises:
        RunError: There is no run, or no trial of it has begun.
        ConfigError: Its config cannot be read.
    """
    folder = str(paths.folder)
    if not paths.journal.exists():
        raise no_run(paths.folder)
    history = History.read(paths.journal)
    if not history.trials:
        raise RunError("no trial has begun yet", where=folder, remedy="wait for the first")
    return RunView(
        experiment=load_experiment(paths.config), history=history, ranked=read_board(paths)
    )


def advice_lines(paths: RunPaths) -> list[str]:
    """What the trials of a run advise, a line each; of a run that cannot be read nothing."""
    from raygen.report.advice import advice_of  # numpy

    try:
        return [advice.message for advice in advice_of(read_run(paths).search)]
    except RaygenError:
        return []
