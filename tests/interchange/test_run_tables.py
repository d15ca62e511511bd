from __future__ import annotations

import csv
import io
import math
from typing import Any

import pytest

from raygen.interchange.tables import board_table, cells_table, runs_table, to_csv, to_latex
from raygen.runs.records import History


def history(*trials: tuple[str, float | None, dict[str, Any]]) -> History:
    """A run with a trial for each candidate, last score (None: failed) and values."""
    found = History()
    found.take({"event": "begin", "time": 0.0, "metric": "accuracy", "data_sha": "1"})
    for number, (candidate, score, values) in enumerate(trials):
        trial_id = f"{number:05d}"
        found.take(
            {
                "event": "trial",
                "time": 1.0,
                "trial_id": trial_id,
                "values": values,
                "candidate": candidate,
                "source_sha": "0",
                "num_parameters": 90,
            }
        )
        if score is not None:
            metrics = {"accuracy": score, "loss": 0.5}
            fields = {"trial_id": trial_id, "epoch": 1, "seconds": 2.0, "metrics": metrics}
            found.take({"event": "report", "time": 2.0, **fields})
        state = "error" if score is None else "finished"
        found.take({"event": "end", "time": 3.0, "trial_id": trial_id, "state": state})
    return found


REPEATED = history(
    ("aa", 0.5, {"units": 8, "epoch": "x"}),
    ("aa", 0.75, {"units": 8, "epoch": "x"}),
    ("aa", 0.625, {"units": 8, "epoch": "x"}),
    ("aa", None, {"units": 8, "epoch": "x"}),
    ("bb", 0.25, {"name": "a_b & 5%"}),
)


def test_a_run_is_a_row_a_trial() -> None:
    """Failed trials have a row without metrics; values keep clear of the other columns."""
    rows = runs_table(REPEATED)

    assert [row["state"] for row in rows] == ["finished"] * 3 + ["error", "finished"]
    assert (rows[0]["accuracy"], rows[0]["loss"], rows[0]["units"]) == (0.5, 0.5, 8)
    assert (rows[0]["epoch"], rows[0]["value.epoch"]) == (1, "x")
    assert "accuracy" not in rows[3]


def test_repeats_are_a_row_a_candidate() -> None:
    """Mean, deviation and t interval over the scored repeats; a single one has a mean alone."""
    many, one = cells_table(REPEATED)

    half = 4.302653 * 0.125 / math.sqrt(3)  # t(0.975, 2) of the usual tables
    assert (many["candidate"], many["n"], many["mean"]) == ("aa", 3, 0.625)
    assert many["std"] == pytest.approx(0.125)
    assert (many["low"], many["high"]) == pytest.approx((0.625 - half, 0.625 + half), abs=1e-6)
    assert (one["n"], one["mean"], one["std"], one["low"]) == (1, 0.25, "", "")


def test_csv_can_be_read_back() -> None:
    """All columns of all rows, with every digit, and nothing where a row has no value."""
    third = history(("aa", 1 / 3, {"units": 8}), ("bb", 0.5, {"name": 'say "a, b"'}))

    first, second = csv.DictReader(io.StringIO(to_csv(runs_table(third))))

    assert float(first["accuracy"]) == 1 / 3
    assert (first["name"], second["name"], second["units"]) == ("", 'say "a, b"', "")


def test_latex_is_escaped_and_ruled() -> None:
    """A text cannot break the table; each line has as many cells as there are columns."""
    text = to_latex([{"name": r"a_b & 5% \x", "score": 1.5e-7}, {"name": "c", "score": 0.12345}])

    assert text.splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"name & score \\",
        r"\midrule",
        r"a\_b \& 5\% \textbackslash{}x & $1.5 \cdot 10^{-7}$ \\",
        r"c & 0.1235 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_a_leaderboard_is_a_row_a_rank() -> None:
    """With its verdict where folds gave one, and with the score of each fold."""
    entry = {
        "rank": 1,
        "trial_id": "00003",
        "candidate": {"depth": 2, "mean": 9},
        "source_sha": "0",
        "mean": 0.9,
        "std": 0.1,
        "folds": [0.8, 1.0],
        "num_parameters": 7,
        "seconds": 1.5,
    }
    verdict = {"interval": [0.1, 1.7], "tied": True, "folds_run": 2, "aicc": None, "bic": 3.0}
    verdict |= {"posterior": {"worse": 0.5, "same": 0.25, "better": 0.25, "mean": 0.0}}

    (plain,) = board_table({"entries": [entry | {"std": None}]})
    (judged,) = board_table({"entries": [entry | verdict]})

    assert (plain["std"], plain["low"], plain["fold_1"]) == ("", "", 1.0)
    assert (judged["low"], judged["high"], judged["tied"], judged["bic"]) == (0.1, 1.7, True, 3.0)
    assert (judged["worse"], judged["value.mean"], judged["depth"]) == (0.5, 9, 2)
    assert "aicc" not in judged


def test_several_together_are_a_row_without_a_rank() -> None:
    """It is the last one, names its members, and has neither a verdict nor parameters."""
    entry = {"candidate": {"depth": 2}, "std": 0.1, "num_parameters": 7, "seconds": 1.5}
    entry |= {"rank": 1, "trial_id": "00003", "mean": 0.9, "folds": [0.8, 1.0], "tied": True}
    ensemble = {"kind": "greedy", "members": {"00003": 2, "00001": 1}, "mean": 0.95, "std": 0.05}
    ensemble |= {"folds": [0.9, 1.0], "interval": [0.5, 1.0], "num_parameters": 9, "seconds": 3.0}
    board = {"entries": [entry], "ensemble": ensemble}

    first, last = board_table(board)
    text = to_csv([first, last]).splitlines()[-1]

    assert last["trial"] == "together"
    assert last["members"] == "2 x 00003 + 1 x 00001"
    assert (last["mean"], last["low"], last["fold_1"]) == (0.95, 0.5, 1.0)
    assert not {"rank", "tied", "depth"} & last.keys()
    assert "members" not in first
    assert text.startswith(",together,0.95,")
    assert "rank & trial" in to_latex([first, last])


def test_fold_models_are_a_row_without_scores() -> None:
    """No column has a word in place of a number."""
    entry = {"candidate": {"depth": 2}, "std": 0.1, "num_parameters": 7, "seconds": 1.5}
    entry |= {"rank": 1, "trial_id": "00003", "mean": 0.9, "folds": [0.8, 1.0], "tied": True}
    ensemble = {"kind": "folds", "members": {"00003": 2}, "mean": None, "std": None, "folds": []}
    ensemble |= {"interval": None, "posterior": None, "num_parameters": 14, "seconds": 3.0}

    _, last = board_table({"entries": [entry], "ensemble": ensemble})

    assert (last["trial"], last["members"]) == ("fold models", "2 x 00003")
    assert "mean" not in last
    assert "None" not in to_latex([last])
