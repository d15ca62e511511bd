from __future__ import annotations

import math
import warnings
from pathlib import Path

import pytest
from made_up import board_of, entry, history_of, together, trial_events
from PIL import Image

from raygen.report.canvas import zoom
from raygen.report.picture import draw_run
from raygen.runs.records import History

CURVE = [0.5, 0.7, 0.8]


def crowd(count: int) -> History:
    """A run of many trials, every tenth of which failed."""
    ends = ["error", "finished", "stopped"] + ["stopped"] * 7
    return history_of(*(trial_events(f"{i:05d}", CURVE, end=ends[i % 10]) for i in range(count)))


def falling() -> History:
    """A run that is scored by an error, with a trial that blew up."""
    curves = [[9.0, 5.0], [8.0, 4.0], [1e7, 1e9], [7.0, 4.5]]
    trials = (
        trial_events(f"{i:05d}", curve, metric="rmse", end="finished")
        for i, curve in enumerate(curves)
    )
    return history_of(*trials, metric="rmse")


FOLDS = [0.80, 0.82, 0.79]
RUNS = {
    "nothing": (history_of(), None),
    "one_trial": (
        history_of(trial_events("00000", [0.5], end="finished")),
        board_of(entry(1, "00000", [0.5, 0.5]), accuracy=0.5),
    ),
    "not_ranked": (crowd(12), board_of()),
    "all_failed": (history_of(trial_events("00000", [], end="error")), None),
    "many": (
        crowd(2000),
        board_of(*(entry(i, f"{i:05d}", FOLDS) for i in range(1, 20)), accuracy=0.81),
    ),
    "minimised": (
        falling(),
        board_of(entry(1, "00001", [4.0, 4.1]), entry(2, "00002", [1e9, 4.0]), metric="rmse"),
    ),
    "together": (
        crowd(12),
        board_of(entry(1, "00001", FOLDS), entry(2, "00002", FOLDS))
        | {"ensemble": together(*FOLDS, **{"00001": 1, "00002": 1})},
    ),
    "odd_name": (
        crowd(3),
        board_of(entry(1, "00001", [0.5])) | {"name": "房价 $\\frac$ " * 40},
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_every_run_has_its_picture(name: str, tmp_path: Path) -> None:
    """A PNG of the promised size is written without a warning, whatever became of the run."""
    history, board = RUNS[name]
    path = tmp_path / "new" / "run.png"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_run(history, board, path)

    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == (1800, 600)
        colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 50
    assert path.stat().st_size < 500_000


def test_the_zoom_holds_an_even_spread_and_no_blow_up() -> None:
    """Scores spread evenly are all in the picture; the one that diverged is not."""
    scores = [0.5, 0.6, 0.7, 0.8, 0.9]

    low, high = zoom([*scores, -1e6], scores, mode="max")

    assert low < 0.5 < 0.9 < high
    assert high - low < 1


def test_the_zoom_knows_the_direction() -> None:
    """Of an error it is the high end that may leave the picture."""
    low, high = zoom([4.0, 5.0, 6.0, 1e9], [4.0, 5.0, 6.0], mode="min")

    assert low < 4.0
    assert 6.0 < high < 10.0


@pytest.mark.parametrize("scores", [[], [0.0], [1.0, 1.0], [math.inf, 0.5]], ids=repr)
def test_the_zoom_always_has_a_width(scores: list[float]) -> None:
    """Limits are finite and differ even where scores do not."""
    low, high = zoom(scores, [s for s in scores if math.isfinite(s)], mode="max")

    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < high
