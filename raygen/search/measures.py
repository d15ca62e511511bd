"""What can be known of a candidate before it is trained: its size, and how fast it predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from raygen.config.constraint import Constraint
from raygen.errors import SourceError, TrialError
from raygen.execute.latency import Stopwatch
from raygen.execute.run import Run
from raygen.source.candidate import Candidate


class Measures:
    """Measures the candidates of a run, each once.

    The latency is measured only if a constraint, an objective or the choice of the winner speaks
    of it: it takes building the network, which is some tenths of a second.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._constraints = [Constraint(text) for text in run.experiment.search.constraints]
        names = {name for each in self._constraints for name in each.names}
        names |= {each.name for each in run.blueprint.objectives}
        if run.blueprint.folds and run.experiment.rank.choose == "fastest-tied":
            names.add("latency_ms")
        self._stopwatch = _stopwatch(run) if "latency_ms" in names else None
        self._known: dict[str, dict[str, float]] = {}

    def of(self, candidate: Candidate) -> Mapping[str, float]:
        """``num_parameters``, and ``latency_ms`` if somebody asks for it.

        Raises:
            SourceError: The candidate cannot be built.
            TrialError: Its latency cannot be measured.
        """
        if candidate.id not in self._known:
            blueprint = self._run.blueprint
            found: dict[str, float] = {"num_parameters": blueprint.num_parameters(candidate)}
            if self._stopwatch is not None:
                found["latency_ms"] = self._stopwatch.measure(blueprint.render(candidate))
            self._known[candidate.id] = found
        return self._known[candidate.id]

    def refusal(self, values: Mapping[str, Any]) -> str:
        """Why a candidate must not be trained; empty if it may."""
        try:
            known = {**values, **self.of(Candidate(values))}
        except (SourceError, TrialError) as error:
            reason = str(error)
        else:
            broken = [str(each) for each in self._constraints if not each.holds(known)]
            reason = f"{broken[0]} does not hold" if broken else ""
        if reason:
            self._run.journal.append("refused", values=dict(values), error=reason)
        return reason

    def close(self) -> None:
        """Measure no more."""
        if self._stopwatch is not None:
            self._stopwatch.close()


def _stopwatch(run: Run) -> Stopwatch:
    rows = run.rows()["x"]
    preload: Callable[[], tuple[str, ...]] = run.blueprint.preload
    return Stopwatch(rows, preload(), threads=run.experiment.resources.cpus)
