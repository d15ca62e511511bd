"""How scores, counts, times and candidates are written for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def differing_names(candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the values in which candidates differ; of a single candidate, all."""
    names = dict.fromkeys(name for candidate in candidates for name in candidate)
    if len(candidates) < 2:
        return list(names)
    return [n for n in names if len({repr(c.get(n, ...)) for c in candidates}) > 1]


def values_text(values: Mapping[str, Any], names: Iterable[str]) -> str:
    """The named values in one short line; words speak for themselves, numbers need their name."""
    told = []
    for name in names:
        match values.get(name):
            case None:
                continue
            case str(word) if word not in ("none", ""):
                told.append(" ".join(word.split()))
            case float(number):
                told.append(f"{name} {number:.3g}")
            case other:
                told.append(f"{name} {other}")
    return ", ".join(told)


def score_text(score: float) -> str:
    """A score with four digits that tell something."""
    if 1000 <= abs(score) < 1e7:
        return f"{score:.0f}"
    return f"{score:#.4g}" if abs(score) >= 1e-3 else f"{score:.3g}"


def score_decimals(stds: Iterable[float]) -> int:
    """How many decimals give the largest standard deviation two digits."""
    known = [std for std in stds if math.isfinite(std) and std > 0]
    return min(max(1 - math.floor(math.log10(max(known))), 0), 6) if known else 4


def mean_text(mean: float, std: float, decimals: int) -> str:
    """A mean and how far the folds lie around it."""
    spread = f" ± {std:.{decimals}f}" if math.isfinite(std) else ""
    return f"{mean:.{decimals}f}{spread}"


def measured_text(board: Mapping[str, Any]) -> str:
    """How the scores of a leaderboard came about."""
    most = max((len(entry["folds"]) for entry in board["entries"]), default=0)
    if has_repeats(board):
        return f"as the mean of {most} repeats"
    return "by cross-validation" if most != 1 else "as searched"


def has_repeats(board: Mapping[str, Any]) -> bool:
    """Whether the scores of a leaderboard are of repeats rather than of folds."""
    return any("interval" in each and "tied" not in each for each in board["entries"])


def count_text(count: int) -> str:
    """A count in at most five characters: 950, 1.2k, 3.4M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:.{1 if count < 99.95 * size else 0}f}{unit}"
    return str(count)


def duration_text(seconds: float) -> str:
    """A time in the two units that matter."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
