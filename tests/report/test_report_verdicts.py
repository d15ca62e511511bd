from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import board_of, entry, together
from PIL import Image
from searched import made_space, noise, searched

from raygen.report.plots import draw_search, refusals, search_data
from raygen.report.view import view_of


def judged(
    rank: int, trial_id: str, *folds: float, tied: bool, mean: float = 0.0
) -> dict[str, Any]:
    """A row of a leaderboard with a verdict."""
    posterior = {"worse": 0.2, "same": 0.7, "better": 0.1}
    posterior |= {"mean": mean, "scale": 0.01 * abs(mean), "freedom": len(folds) - 1}
    verdict = {"tied": tied, "folds_run": len(folds), "posterior": posterior, "diagnosis": []}
    centre = sum(folds) / len(folds)
    return entry(rank, trial_id, folds) | verdict | {"interval": [centre - 0.02, centre + 0.02]}


def ranked(count: int, *, ranks: bool = True) -> dict[str, Any]:
    """A leaderboard of so many candidates, every third of which was stopped."""
    rng = np.random.default_rng(0)
    entries = [
        judged(
            place + 1,
            f"{place:05d}",
            *rng.normal(0.9 - 0.01 * place, 0.01, size=10 if place % 3 else 3),
            tied=place < count // 2 + 1,
            mean=-0.01 * place,
        )
        for place in range(count)
    ]
    found = {
        "mean_ranks": {f"{place:05d}": 1.0 + place for place in range(count)},
        "critical_difference": 2.5,
        "statistic": 9.0,
        "p": 0.01,
        "blocks": 2,
    }
    terms = {"folds": 5, "repeats": 2, "rope": 0.005}
    return board_of(*entries) | {"terms": terms, "ranks": found if ranks else None}


@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_ranking_has_its_pictures(count: int, tmp_path: Path) -> None:
    """Of one candidate alone there is no difference; of many the first are drawn."""
    history, space = searched(3, noise), made_space()
    board = ranked(count, ranks=count > 2)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = draw_search(history, space, tmp_path, name="$\\frac$ " * 5, board=board)
        named = [path.stem for path in written if path.stem in ("folds", "posterior", "ranks")]

    assert named == (["folds", "posterior", "ranks"] if count > 1 else ["folds"])
    for path in written:
        with Image.open(path) as image:
            colours = np.asarray(image.convert("L")).std()
        assert colours > 5


def test_without_folds_there_is_a_reason() -> None:
    """Neither before the ranking, nor of a board whose scores are of repeats."""
    history = searched(3, noise)
    repeats = board_of(entry(1, "00000", [0.5, 0.6]))

    for board in (None, repeats):
        reasons = refusals(view_of(history, made_space(), board=board))
        assert {"folds", "posterior", "ranks"} <= set(reasons)


def test_the_numbers_are_those_of_the_board() -> None:
    """JSON can hold all of them, NaN as null."""
    board = ranked(3)
    board["entries"][2]["posterior"]["scale"] = math.nan

    data = json.loads(
        json.dumps(search_data(searched(3, noise), made_space(), board=board), allow_nan=False)
    )

    assert [row["folds_run"] for row in data["folds"]] == [3, 10, 10]
    assert data["posterior"]["rope"] == 0.005
    assert set(data["posterior"]["posteriors"]) == {"00001", "00002"}
    assert data["ranks"]["critical_difference"] == 2.5


def test_several_together_are_the_last_strip(tmp_path: Path) -> None:
    """Below the candidates, with their folds, and without a verdict; alone there is none."""
    history, space, board = searched(3, noise), made_space(), ranked(3)
    board["ensemble"] = together(0.97, 0.98, **{"00000": 2, "00001": 1})

    draw_search(history, space, tmp_path, names=["folds"], board=board)
    numbers = search_data(history, space, board=board)["folds"]
    without = search_data(history, space, board=ranked(3))["folds"]

    assert numbers[:-1] == without
    last = numbers[-1]
    assert (last["rank"], last["trial_id"], last["tied"]) == ("+", "together", None)
    assert last["folds"] == [0.97, 0.98]
    assert (tmp_path / "plots" / "folds.png").stat().st_size > 1000


def test_bars_join_the_longest_runs_only() -> None:
    """Of mean ranks 1, 2, 3 and 6 within 2 of each other there is one bar, from 1 to 3."""
    from raygen.report.verdicts import _groups

    assert _groups([1.0, 2.0, 3.0, 6.0], 2.0) == [(1.0, 3.0)]
    assert _groups([1.0, 2.0, 3.0, 4.0], 2.0) == [(1.0, 3.0), (2.0, 4.0)]


def test_outer_folds_have_a_picture_and_lines(tmp_path: Path) -> None:
    """Three scores of each; without them the picture is refused."""
    history, space = searched(3, noise), made_space()
    folds = [
        {"trial_id": "00001", "validation": 0.95, "ranked": 0.93, "score": 0.90 + 0.01 * place}
        for place in range(5)
    ]
    flattery = {"mean": 0.03, "interval": [0.01, 0.05]}
    nested = {"folds": folds, "mean": 0.92, "std": 0.016, "interval": [0.88, 0.96]}
    nested |= {"optimism": flattery, "ranked_optimism": flattery}
    board = ranked(3) | {"nested": nested}

    draw_search(history, space, tmp_path, names=["nested"], board=board)

    with Image.open(tmp_path / "plots" / "nested.png") as picture:
        assert picture.size[0] > 1000
    assert search_data(history, space, board=board)["nested"]["folds"] == folds
    assert "no outer folds" in refusals(view_of(history, space, board=ranked(3)))["nested"]
