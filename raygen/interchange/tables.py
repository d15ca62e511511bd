"""A run as rows for a spreadsheet or a paper: one a trial, a candidate with its repeats, a rank."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from raygen.errors import RunError
from raygen.runs.records import History, TrialRecord
from raygen.runs.spread import half_width, sample_std
from raygen.runs.together import members_text, together_rows

Row: TypeAlias = dict[str, Any]

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


def runs_table(history: History) -> list[Row]:
    """One row a trial, in the order in which they were begun.

    Columns: trial, candidate, repeat, state, epoch, the metrics, num_parameters, seconds, and the
    value of each parameter (under its name, or ``value.NAME`` where that is a column already).
    """
    return [_trial_row(trial, history) for trial in history.trials.values()]


def cells_table(history: History) -> list[Row]:
    """One row a candidate: n, mean, standard deviation and 95 % t interval over its repeats.

    The interval is ``mean +- t(0.975, n - 1) std / sqrt(n)`` with the sample's standard deviation
    (divisor n - 1); with a single score both are left out. Repeats that failed, or were stopped
    earlier than others of their candidate, do not count in n.
    """
    cells: dict[str, list[TrialRecord]] = {}
    for trial in history.trials.values():
        cells.setdefault(trial.candidate, []).append(trial)
    return [_cell_row(trials, history) for trials in cells.values()]


def board_table(board: Mapping[str, Any]) -> list[Row]:
    """One row a ranked candidate: its mean, its interval, its verdict, and the score of each fold.

    Columns: rank, trial, mean, std, low, high, tied, folds_run, worse, same and better (how
    probably, against the first), aicc, bic, num_parameters, seconds, ``fold_0`` and so on, and
    the value of each parameter. An ensemble is the last row: it has no rank and no parameters,
    and the column ``members`` says who is in it.
    """
    rows = [_board_row(entry) for entry in board["entries"]]
    for together in together_rows(board):
        row = _board_row(together) | {"members": members_text(together["members"])}
        rows.append({n: v for n, v in row.items() if n != "rank" and v is not None})
    return rows


def curve_table(board: Mapping[str, Any], curve: str) -> list[Row]:
    """One row a point of the first one's curves on held-out rows.

    Columns: class (``mean`` of the mean over all), and false_positive_rate and true_positive_rate
    of a ``roc`` curve, or recall and precision of a ``precision-recall`` curve.

    Raises:
        RunError: It has none.
    """
    held_out = board["entries"][0].get("held_out") or {}
    if "curves" not in held_out:
        must = "they need the ranking by folds of a task with classes"
        raise RunError("there are no curves of held-out rows", must=must, remedy="type raygen rank")
    told, key = held_out["curves"], curve.replace("-", "_")
    names = ("recall", "precision")
    if key == "roc":
        names = ("false_positive_rate", "true_positive_rate")
    found = [("mean", told), *((each["label"], each) for each in told["classes"])]
    return [
        {"class": label, **dict(zip(names, point, strict=True))}
        for label, each in found
        for point in each[key]
    ]


def to_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV with a header; what a row lacks is empty.

    Numbers have all their digits.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(rows), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_latex(rows: Sequence[Row]) -> str:
    """Write rows as a LaTeX table with the rules of booktabs; texts are escaped.

    Numbers have four digits, columns that hold nothing but numbers are aligned to the right.
    """
    names = columns(rows)
    numeric = [all(isinstance(row.get(n, 0), (int, float)) for row in rows) for n in names]
    lines = [
        rf"\begin{{tabular}}{{{''.join('r' if number else 'l' for number in numeric)}}}",
        r"\toprule",
        _latex_line(names),
        r"\midrule",
        *(_latex_line([row.get(name, "") for name in names]) for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def columns(rows: Sequence[Row]) -> list[str]:
    """Name every column of some rows, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _trial_row(trial: TrialRecord, history: History) -> Row:
    row: Row = {
        "trial": trial.trial_id,
        "candidate": trial.candidate,
        "repeat": trial.repeat,
        "state": trial.state.value,
        "epoch": trial.epoch,
    }
    if history.metric in trial.metrics:
        row[history.metric] = trial.metrics[history.metric]
    row |= {name: value for name, value in trial.metrics.items() if name not in row}
    row |= {"num_parameters": trial.num_parameters, "seconds": trial.seconds}
    return row | _values(trial.values, row)


def _cell_row(trials: Sequence[TrialRecord], history: History) -> Row:
    scored = [trial for trial in trials if trial.is_scored()]
    longest = max((trial.epoch for trial in scored), default=0)
    scores = [trial.curve[-1] for trial in scored if trial.epoch == longest]
    row: Row = {"candidate": trials[0].candidate, "epoch": longest, "n": len(scores)}
    if scores:
        row["mean"] = statistics.fmean(scores)
    half = half_width(scores)
    if half is not None:
        row["std"] = sample_std(scores)
        row |= {"low": row["mean"] - half, "high": row["mean"] + half}
    names = ("candidate", "epoch", "n", "mean", "std", "low", "high")
    ordered = {name: row.get(name, "") for name in names}
    return ordered | _values(trials[0].values, ordered)


def _board_row(entry: Mapping[str, Any]) -> Row:
    low, high = entry.get("interval") or ("", "")
    posterior = entry.get("posterior") or {}
    row: Row = {"rank": entry["rank"], "trial": entry["trial_id"], "mean": entry["mean"]}
    row |= {"std": "" if entry["std"] is None else entry["std"], "low": low, "high": high}
    row |= {name: entry[name] for name in ("tied", "folds_run") if name in entry}
    row |= {name: posterior[name] for name in ("worse", "same", "better") if name in posterior}
    row |= {name: entry[name] for name in ("aicc", "bic") if entry.get(name) is not None}
    row |= {name: entry[name] for name in ("num_parameters", "seconds")}
    row |= {f"fold_{number}": score for number, score in enumerate(entry["folds"])}
    return row | _values(entry["candidate"], row)


def _values(values: Mapping[str, Any], taken: Mapping[str, Any]) -> Row:
    return {f"value.{name}" if name in taken else name: value for name, value in values.items()}


def _latex_line(cells: Sequence[Any]) -> str:
    return " & ".join(_latex_cell(cell) for cell in cells) + r" \\"


def _latex_cell(cell: Any) -> str:
    if isinstance(cell, float):
        text = f"{cell:.4g}" if math.isfinite(cell) else "--"
        mantissa, _, power = text.partition("e")
        return rf"${mantissa} \cdot 10^{{{int(power)}}}$" if power else text
    return "".join(_LATEX.get(letter, letter) for letter in str(cell))
