"""What the leaderboard, the search and the ranking look like, as rich renderables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from raygen.report.texts import (
    count_text,
    differing_names,
    duration_text,
    has_repeats,
    mean_text,
    measured_text,
    score_decimals,
    score_text,
    values_text,
)
from raygen.runs.records import FoldResult, History, State, TrialRecord
from raygen.runs.together import members_text, together_rows

_MOST_RUNNING = 8
"""Rows for the trials that run; larger machines have more of them than a screen has lines."""


def leaderboard_table(board: Mapping[str, Any]) -> RenderableType:
    """The ranked candidates, best first, and the winner's test score in the caption.

    Args:
        board: What ``raygen show --json`` prints.
    """
    metric = board["metric"]
    entries = [*board["entries"], *together_rows(board)]
    tied = [entry for entry in entries if entry.get("tied")]
    tied = tied if len(tied) > 1 else []  # nobody is tied with itself
    better = "higher" if board["mode"] == "max" else "lower"
    title = f"{board['name']}: {metric} {measured_text(board)}, {better} is better"
    table = _table()
    spreads = [math.nan if entry["std"] is None else entry["std"] for entry in entries]
    # repeats of different candidates may spread very differently: the best is told exactly
    decimals = score_decimals(spreads[:1] if has_repeats(board) else spreads)
    columns = {
        "#": [f"{entry['rank']}{' =' if entry in tied else ''}" for entry in entries],
        "trial": [entry["trial_id"] for entry in entries],
        metric: [
            "" if e["mean"] is None else mean_text(e["mean"], std, decimals)
            for e, std in zip(entries, spreads, strict=True)
        ],
        _spread_header(entries): [_spread_text(entry, decimals) for entry in entries],
        "folds run": _fold_counts(entries),
        "params": [count_text(entry["num_parameters"]) for entry in entries],
        "seconds": [f"{e['seconds']:.{0 if e['seconds'] >= 10 else 1}f}" for e in entries],
    }
    untold = {"params"} if not any(entry["num_parameters"] for entry in entries) else set()
    untold |= {name for name, column in columns.items() if not any(column)} if entries else set()
    columns = {name: column for name, column in columns.items() if name not in untold}
    for header in columns:
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("values", ratio=1)
    names = differing_names([entry["candidate"] for entry in board["entries"]])
    for place, entry in enumerate(entries):
        table.add_row(
            *(column[place] for column in columns.values()),
            _FewLines(values_text(entry["candidate"], names), most=3),
            style="bold" if entry["rank"] == 1 else "",
        )
    # no title or caption of the table's, which would be folded to its width
    return Group(Text(title, style="bold"), table, *_caption(board))


def _spread_header(entries: Sequence[Mapping[str, Any]]) -> str:
    return "95 % interval" if any("interval" in entry for entry in entries) else "folds"


def _spread_text(entry: Mapping[str, Any], decimals: int) -> str:
    """Where the mean lies by its interval, or between which folds."""
    if len(entry["folds"]) < 2:
        return ""
    low, high = entry.get("interval") or (min(entry["folds"]), max(entry["folds"]))
    return f"{low:.{decimals}f}..{high:.{decimals}f}"


def _fold_counts(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many folds each was scored on, if not all on as many."""
    counts = [entry.get("folds_run") or 0 for entry in entries]
    differ = len({count for count in counts if count}) > 1
    return [str(count or "") if differ else "" for count in counts]


def search_panel(
    history: History,
    *,
    total: int,
    metric: str,
    elapsed_s: float,
    max_epochs: int,
    left_s: float | None = None,
    title: str = "",
    top: int = 5,
) -> RenderableType:
    """The search as it stands: how far, how good, the best trials and those that run."""
    trials = list(history.trials.values())  # a copy in one step: the search goes on meanwhile
    ended = [trial for trial in trials if trial.state.is_over()]
    running = [trial for trial in trials if not trial.state.is_over()]
    good = sorted(
        (trial for trial in ended if has_score(trial)),
        key=lambda trial: badness(trial.curve[-1], history.mode),
    )
    shown = [*good[:top], *running[:_MOST_RUNNING]]
    table = _table(expand=True)
    for header in ("trial", "state", "epoch", metric, "params"):
        table.add_column(header, justify="left" if header == "state" else "right", no_wrap=True)
    table.add_column("values", ratio=1, no_wrap=True, overflow="ellipsis")
    names = differing_names([trial.values for trial in shown])
    for trial in shown:
        table.add_row(
            trial.trial_id,
            trial.state.value,
            f"{trial.epoch}/{max_epochs}",
            score_text(trial.curve[-1]) if trial.curve else "",
            count_text(trial.num_parameters),
            Text(values_text(trial.values, names)),
            style="" if trial.state.is_over() else "cyan",
        )
    more = len(running) - _MOST_RUNNING
    return Group(
        _progress(f"{title} search".strip(), len(ended), total, "trials", elapsed_s, left_s),
        Text(best_text(history)),
        Text(states_text(trials), style="dim"),
        table,
        *([Text(f"and {more} more running", style="dim")] if more > 0 else []),
    )


def ranking_panel(
    history: History,
    *,
    total: int,
    metric: str,
    elapsed_s: float,
    folds: int,
    left_s: float | None = None,
    title: str = "",
    top: int = 8,
) -> RenderableType:
    """The ranking as it stands: the folds done of each candidate and their mean so far."""
    results = list(history.folds.values())
    table = _table(expand=True)
    for header in ("trial", "folds", f"mean {metric}", "params"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("values", ratio=1, no_wrap=True, overflow="ellipsis")
    standings = fold_standings(history)[:top]
    trials = [history.trials[standing.trial_id] for standing in standings]
    names = differing_names([trial.values for trial in trials])
    for trial, standing in zip(trials, standings, strict=True):
        table.add_row(
            trial.trial_id,
            f"{standing.done}/{folds}",
            "failed" if standing.failed else score_text(standing.mean),
            count_text(trial.num_parameters),
            Text(values_text(trial.values, names)),
        )
    progress = _progress(
        f"{title} ranking".strip(), len(results), total, "folds", elapsed_s, left_s
    )
    return Group(progress, table)


def fit_panel(
    history: History,
    *,
    total: int,
    metric: str,
    elapsed_s: float,
    left_s: float | None = None,
    title: str = "",
) -> RenderableType:
    """The training on all rows as it stands."""
    done = history.fit["epoch"]
    progress = _progress(f"{title} training".strip(), done, total, "epochs", elapsed_s, left_s)
    return Group(progress, Text(fit_text(history.fit, total), style="dim"))


def fit_text(fit: Mapping[str, Any], epochs: int) -> str:
    """How far the training on all rows has come, in words."""
    scores = (f", {k} {score_text(v)}" for k, v in fit["metrics"].items() if k == "train_loss")
    return f"training on all rows {fit['epoch']}/{epochs} epochs{''.join(scores)}"


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands in the middle of the ranking."""

    trial_id: str
    done: int
    """Folds that ended."""
    failed: bool
    mean: float
    """Over the folds done; NaN if one failed."""


def fold_standings(history: History) -> list[Standing]:
    """Candidates with a fold done: those with most folds first, of these the best mean."""
    metric = history.metric
    by_trial: dict[str, list[FoldResult]] = {}
    for result in list(history.folds.values()):
        by_trial.setdefault(result.trial_id, []).append(result)
    standings = []
    for trial_id, own in by_trial.items():
        failed = any(result.state.has_failed() for result in own)
        mean = math.nan if failed else sum(result.metrics[metric] for result in own) / len(own)
        standings.append(Standing(trial_id, len(own), failed, mean))
    return sorted(standings, key=lambda s: (s.failed, -s.done, badness(s.mean, history.mode)))


def has_score(trial: TrialRecord) -> bool:
    """Whether the trial has a score that counts."""
    return bool(trial.curve) and math.isfinite(trial.curve[-1]) and not trial.state.has_failed()


def badness(score: float, mode: str) -> float:
    """A number that is lower for better scores, whether "max" or "min" is asked for."""
    return -score if mode == "max" else score


def states_text(trials: Sequence[TrialRecord], states: Iterable[State] = State) -> str:
    """Count the trials by state, in the order in which states are declared."""
    counts = Counter(trial.state for trial in trials)
    return ", ".join(f"{counts[s]} {s.value.replace('_', ' ')}" for s in states if counts[s])


def best_text(history: History) -> str:
    """The best score so far and whose it is."""
    scored = [trial for trial in list(history.trials.values()) if has_score(trial)]
    if not scored:
        return f"no {history.metric} yet"
    best = min(scored, key=lambda trial: badness(trial.curve[-1], history.mode))
    return f"best {history.metric} {score_text(best.curve[-1])} (trial {best.trial_id})"


@dataclass(frozen=True)
class _FewLines:
    """Text that wraps to the column it is given, over a few lines at most."""

    text: str
    most: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = Text(self.text).wrap(console, options.max_width)
        yield from lines[: self.most - 1]
        rest = Text(" ".join(line.plain.strip() for line in lines[self.most - 1 :]))
        rest.truncate(options.max_width, overflow="ellipsis")
        if rest.plain:
            yield rest

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(12, options.max_width), min(len(self.text), options.max_width))


def _table(**settings: Any) -> Table:
    return Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        **settings,
    )


def _caption(board: Mapping[str, Any]) -> list[Text]:
    """The verdict, what the race has saved, and the winner's test score, a line each."""
    lines = [*_verdict_lines(board), *_test_lines(board)] if board["entries"] else []
    return [Text(line, style="table.caption") for line in lines]


def _verdict_lines(board: Mapping[str, Any]) -> list[str]:
    """Who is tied and who is chosen, what was saved, how the search flattered, what is wrong."""
    if "chosen" not in board:
        return []
    lines, first, fits = [], board["entries"][0]["trial_id"], board["fold_fits"]
    if len(board["tied"]) > 1:
        lines.append("= not told apart from the best mean with 95 % confidence")
    if len(board["entries"]) > 1:
        lines.append(f"chosen: {first}, {board['chosen']['why']}")
    if board["optimism"]:
        seen, unseen = (score_text(board["optimism"][key]) for key in ("search", "other_folds"))
        lines.append(f"{first} on the fold of the search: {seen}, on the others: {unseen}")
    lines += _held_out_lines(board["entries"][0])
    lines += [f"{row['rank']} {_together_text(row)}" for row in together_rows(board)]
    lines += _nested_lines(board)
    if fits["run"] < fits["full"]:
        lines.append(f"{fits['run']} of {fits['full']} trainings of folds, the race saved the rest")
    for entry in board["entries"]:
        lines += [
            f"{entry['trial_id']} {each['verdict']}: {each['evidence']}"
            for each in entry["diagnosis"]
        ]
    found = board.get("data") or ()
    return lines + [f"data, {each['verdict']}: {each['evidence']}" for each in found]


def _held_out_lines(entry: Mapping[str, Any]) -> list[str]:
    """What the first one's predictions of the held-out rows say, in a line."""
    found = entry.get("held_out")
    if not found:
        return []
    if "residuals" in found:
        left = found["residuals"]
        told = f"residuals {score_text(left['mean'])} ± {score_text(left['std'])}"
    else:
        names = {"macro": "macro F1", "weighted": "weighted F1"}
        told = ", ".join(f"{name} {score_text(found[key]['f1'])}" for key, name in names.items())
        told += f", calibration error {score_text(found['calibration']['ece'])}"
    return [f"{entry['trial_id']} on {found['rows']} held-out rows: {told}"]


def _together_text(row: Mapping[str, Any]) -> str:
    """What the row beside the candidates is, and how its score came about."""
    members = members_text(row["members"])
    if row["kind"] == "greedy":
        return f"together, no single candidate: the mean of {members}, chosen on the other folds"
    scores = ", ".join(f"{name} {score_text(score)}" for name, score in row["test"].items())
    told = f"test {scores}" if scores else "raygen generate has them do it"
    return (
        f"fold models, no single candidate: the mean of {members}, each trained without a fold, "
        f"which the test rows alone can score: {told}"
    )


def _nested_lines(board: Mapping[str, Any]) -> list[str]:
    """What search and ranking come to on rows that they have not seen, and how they flatter."""
    if not (found := board.get("nested")):
        return []
    low, high = map(score_text, found["interval"])
    told = f"{score_text(found['mean'])} ± {score_text(found['std'])}, {low}..{high}"
    lines = [f"nested: {board['metric']} {told} over {len(found['folds'])} outer folds"]
    for key, whose in (("optimism", "the best of a search"), ("ranked_optimism", "a ranked mean")):
        low, high = map(score_text, found[key]["interval"])
        lines.append(f"{whose} flatters by {score_text(found[key]['mean'])}, {low}..{high}")
    return lines


def _test_lines(board: Mapping[str, Any]) -> list[str]:
    if not board["test"]:
        return []
    told = ", ".join(f"{name} {score_text(score)}" for name, score in board["test"].items())
    winner, looks = board["entries"][0]["trial_id"], board.get("test_looks", 1)
    window = board.get("terms", {}).get("window")
    rows = f"the last {window} training rows" if window else "all training rows"
    lines = [f"test: {told} (trial {winner}, trained on {rows})"]
    if looks > 1:
        lines.append(f"the test rows were looked at {looks} times, by winners of other terms too")
    return lines


def _progress(
    title: str, done: int, total: int, unit: str, elapsed_s: float, left_s: float | None
) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=28)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True)
    left = "" if left_s is None or done >= total else f", about {duration_text(left_s)} left"
    grid.add_row(
        Text(title, style="bold"),
        ProgressBar(total=max(total, 1), completed=min(done, total)),
        Text(f"{done}/{total} {unit}, {duration_text(elapsed_s)}{left}"),
    )
    return grid
