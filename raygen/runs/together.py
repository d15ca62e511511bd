"""The row of the leaderboard that is no candidate: several networks that predict together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RANK = "+"
"""In place of a number: the row is never chosen."""


def together_rows(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The row with the keys of an entry; none where no two networks are better than one.

    Args:
        board: What ``raygen show --json`` prints.
    """
    told = board.get("ensemble")
    if not told or (told["kind"] == "greedy" and len(told["members"]) < 2):
        return []
    name = "together" if told["kind"] == "greedy" else "fold models"
    count = len(told["folds"])
    return [{**told, "rank": RANK, "trial_id": name, "candidate": {}, "folds_run": count}]


def members_text(members: Mapping[str, int]) -> str:
    """Who is in an ensemble, and how often each is counted: ``2 x 00014 + 1 x 00012``."""
    return " + ".join(f"{count} x {trial_id}" for trial_id, count in members.items())
