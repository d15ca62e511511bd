from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from raygen.rank.repeats import cells_of, pareto_front
from raygen.runs.records import History, State, TrialRecord
from raygen.tasks.task import Objective


def searched(mode: str, **cells: list[tuple[int, float | None]]) -> History:
    """A run whose candidates have repeats with these epochs and last scores; None: it failed."""
    history = History(metric="loss", objectives=(Objective("loss", mode),))  # type: ignore[arg-type]
    for name, repeats in cells.items():
        for repeat, (epoch, score) in enumerate(repeats):
            number = f"{len(history.trials):05d}"
            history.trials[number] = TrialRecord(
                trial_id=number,
                values={"name": name},
                candidate=name,
                source_sha=f"{name}{repeat}",
                num_parameters=0,
                repeat=repeat,
                epoch=epoch,
                curve=() if score is None else (1.0,) * (epoch - 1) + (score,),
                state=State.ERROR if score is None else State.FINISHED,
            )
    return history


def test_the_interval_is_students() -> None:
    """Mean, deviation and interval are those of the textbook."""
    scores = [0.31, 0.29, 0.35, 0.30, 0.40]
    history = searched("min", a=[(3, score) for score in scores])

    (cell,) = cells_of(history)

    low, high = stats.t.interval(0.95, 4, loc=np.mean(scores), scale=stats.sem(scores))
    assert cell.scores == tuple(scores)
    assert cell.mean == pytest.approx(np.mean(scores), rel=1e-12)
    assert cell.std == pytest.approx(np.std(scores, ddof=1), rel=1e-12)
    assert cell.interval == pytest.approx((low, high), rel=1e-9)


def test_a_single_score_has_no_deviation() -> None:
    """Nothing is known of how it would spread."""
    (cell,) = cells_of(searched("min", a=[(3, 0.5)]))

    assert (cell.mean, cell.std, cell.interval) == (0.5, None, None)


@pytest.mark.parametrize(("mode", "best"), [("min", "abdc"), ("max", "badc")])
def test_the_longest_and_most_repeated_come_first(mode: str, best: str) -> None:
    """A mean of few, or of short trainings, is not set above those that were tried for longer."""
    history = searched(
        mode,
        c=[(1, -9.0), (1, -9.0)],
        d=[(3, -9.0), (3, None)],
        b=[(3, 0.4), (3, 0.6)],
        a=[(3, 0.1), (3, 0.3)],
    )

    cells = cells_of(history)

    assert "".join(cell.candidate for cell in cells) == best
    assert cells[2].failed == 1


def test_repeats_that_were_stopped_earlier_do_not_count() -> None:
    """Scores after different numbers of epochs have no mean."""
    (cell,) = cells_of(searched("min", a=[(9, 0.2), (3, 0.9), (9, 0.4)]))

    assert cell.scores == (0.2, 0.4)
    assert [trial.repeat for trial in cell.trials] == [0, 2]
    assert cell.epoch == 9


def test_candidates_without_a_score_are_no_cells() -> None:
    """Nothing can be said of what failed whenever it was tried."""
    assert cells_of(searched("min", a=[(3, None), (3, None)])) == []


def test_of_several_objectives_the_front_comes_first() -> None:
    """Who is beaten in everything stands behind who is not, whatever its first score."""
    objectives = (Objective("accuracy", "max"), Objective("num_parameters", "min"))
    history = History(metric="accuracy", objectives=objectives)
    sizes = {"big": (0.9, 100), "beaten": (0.8, 120), "small": (0.7, 10), "short": (0.99, 1)}
    for number, (name, (accuracy, size)) in enumerate(sizes.items()):
        epochs = 1 if name == "short" else 2
        history.trials[f"{number:05d}"] = TrialRecord(
            trial_id=f"{number:05d}",
            values={},
            candidate=name,
            source_sha="",
            num_parameters=size,
            epoch=epochs,
            metrics={"accuracy": accuracy},
            curve=(accuracy,) * epochs,
            state=State.FINISHED,
        )

    assert [cell.candidate for cell in cells_of(history)] == ["big", "small", "beaten", "short"]
    assert pareto_front(history) == [
        {"trial_id": "00000", "scores": {"accuracy": 0.9, "num_parameters": 100.0}},
        {"trial_id": "00002", "scores": {"accuracy": 0.7, "num_parameters": 10.0}},
    ]
    assert pareto_front(searched("min", a=[(3, 0.5)])) == []
