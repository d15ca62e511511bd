"""What did each trial of population based training train with, and whom did it copy when?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raygen.config.space import Parameter
from raygen.errors import RunError
from raygen.report.canvas import COLOURS, GREY, new_figure
from raygen.report.scale import place_of, shortened, ticks_of
from raygen.report.view import SearchView
from raygen.runs.records import Exploit

_LETTERS = 60
_STEP = 0.02
"""The width of an arrow, as a share of all epochs."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Epochs which a trial trained with the same values."""

    trial_id: str
    parent: str
    """The trial whose weights it began with; empty for its own."""
    after: int
    """The epoch after which it began; 0 for the first piece."""
    until: int
    values: dict[str, Any]


def schedules(view: SearchView) -> dict[str, list[Piece]]:
    """The pieces of each trial, in the order of its epochs."""
    own: dict[str, list[Exploit]] = {}
    for exploit in view.exploits:
        own.setdefault(exploit.trial_id, []).append(exploit)
    pieces: dict[str, list[Piece]] = {}
    for trial in view.trials:
        moves = own.get(trial.trial_id, [])
        begins = [0, *(move.epoch for move in moves)]
        ends = [*begins[1:], len(trial.curve)]
        parents = ["", *(move.parent for move in moves)]
        values = [dict(trial.values), *(dict(move.values) for move in moves)]
        pieces[trial.trial_id] = [
            Piece(trial_id=trial.trial_id, parent=p, after=a, until=max(a, u), values=v)
            for p, a, u, v in zip(parents, begins, ends, values, strict=True)
        ]
    return pieces


def ancestry(pieces: dict[str, list[Piece]], trial_id: str) -> list[Piece]:
    """The pieces that made a trial's weights what they are, first to last.

    Copies carry the epochs of their parents along, so these pieces are the schedule that a replay
    of the trial must follow.
    """
    found: list[Piece] = []
    until = None
    while trial_id in pieces:
        mine = [p for p in pieces[trial_id] if until is None or p.after < until]
        if not mine:
            break
        last = mine[-1]
        end = last.until if until is None else min(last.until, until)
        found.append(Piece(**{**last.__dict__, "until": end}))
        if not last.parent:
            break
        trial_id, until = last.parent, last.after
    return found[::-1]


def check_schedules(view: SearchView) -> None:
    """Refuse where no trial copied another.

    Raises:
        RunError: There is no exploit in the journal.
    """
    if not view.exploits:
        raise RunError(
            "no trial has copied another",
            where="schedules",
            must="only population based training has schedules",
        )


def schedules_figure(view: SearchView) -> Any:
    """Each changed parameter over the epochs, with arrows from parents to those that copied them.

    The orange line is the schedule that led to the best trial.
    """
    pieces = schedules(view)
    changed = _changed(view, pieces)
    best = view.trials[view.ranked[0]].trial_id if len(view.ranked) else ""
    figure = new_figure(9, 1.2 + 2.4 * len(changed), view.headline)
    axes = figure.subplots(len(changed), 1, sharex=True, squeeze=False)[:, 0]
    for axis, parameter in zip(axes, changed, strict=True):
        _draw_parameter(axis, parameter, pieces, ancestry(pieces, best))
        axis.set_title(shortened(parameter.name, 60), fontsize=9)
    longest = max(piece.until for own in pieces.values() for piece in own)
    axes[-1].set(xlabel="epoch", xlim=(0, max(longest, 1)))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def schedules_numbers(view: SearchView) -> dict[str, Any]:
    """What ``schedules_figure`` draws: the pieces of each trial, and those of the best."""
    pieces = schedules(view)
    best = view.trials[view.ranked[0]].trial_id if len(view.ranked) else ""
    return {
        "trials": {trial: [piece.__dict__ for piece in own] for trial, own in pieces.items()},
        "best": [piece.__dict__ for piece in ancestry(pieces, best)],
    }


def _changed(view: SearchView, pieces: dict[str, list[Piece]]) -> list[Parameter]:
    """Parameters in which a copy differed from its parent; if none did, all that were copied."""
    copied: set[str] = set()
    changed: set[str] = set()
    for piece in (piece for own in pieces.values() for piece in own if piece.parent in pieces):
        given = _given_by(piece, pieces).values
        copied |= piece.values.keys()
        changed |= {name for name, value in piece.values.items() if value != given.get(name)}
    known = [p for p in view.parameters if p.name in copied] or list(view.parameters[:1])
    return [p for p in known if p.name in changed] or known


def _given_by(piece: Piece, pieces: dict[str, list[Piece]]) -> Piece:
    """The piece of the parent whose weights a piece began with."""
    own = pieces[piece.parent]
    return next((p for p in reversed(own) if p.after < piece.after), own[0])


def _draw_parameter(
    axis: Any, parameter: Parameter, pieces: dict[str, list[Piece]], winning: Sequence[Piece]
) -> None:
    epochs = max(piece.until for own in pieces.values() for piece in own)
    copies = [piece for own in pieces.values() for piece in own if piece.parent in pieces]
    strength = _strength(len(pieces))
    for piece in (piece for own in pieces.values() for piece in own):
        # a copy begins a little later, so that the arrow to it can be seen
        begin = piece.after + (_STEP * epochs if piece in copies else 0.0)
        place = place_of(piece.values.get(parameter.name), parameter.domain)
        axis.plot([begin, max(begin, piece.until)], [place] * 2, color=GREY, lw=0.9, alpha=strength)
    for piece in copies:
        _draw_copy(axis, parameter, piece, _given_by(piece, pieces), _STEP * epochs)
    x = [end for piece in winning for end in (piece.after, piece.until)]
    places = [place_of(piece.values.get(parameter.name), parameter.domain) for piece in winning]
    axis.plot(
        x, [place for place in places for _ in range(2)], color=COLOURS[1], lw=2.2, zorder=1.5
    )
    axis.plot([], [], color=GREY, label="a trial")
    axis.plot([], [], color=COLOURS[0], marker=">", ms=4, label="copied from a better one")
    axis.plot([], [], color=COLOURS[1], lw=2.2, label="what the best trial's weights saw")
    ticks = ticks_of(parameter.domain, most=5, letters=_LETTERS)
    axis.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    axis.set_ylim(-0.06, 1.06)


def _strength(count: int) -> float:
    return min(0.9, max(0.15, 12 / max(count, 1)))


def _draw_copy(axis: Any, parameter: Parameter, piece: Piece, given: Piece, step: float) -> None:
    """An arrow from what the parent trained with to what its copy trains with."""
    start = place_of(given.values.get(parameter.name), parameter.domain)
    end = place_of(piece.values.get(parameter.name), parameter.domain)
    if math.isnan(start) or math.isnan(end):  # not active in one of them
        return
    arrow = {"arrowstyle": "-|>", "color": COLOURS[0], "lw": 1.0, "shrinkA": 0, "shrinkB": 0}
    points = {"xy": (piece.after + step, end), "xytext": (piece.after, start)}
    axis.annotate("", **points, arrowprops=arrow | {"mutation_scale": 7}, zorder=4)
    axis.plot([piece.after], [start], marker=".", ms=4, color=COLOURS[0], zorder=4)
