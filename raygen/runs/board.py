"""What does the leaderboard of a run hold, and what hears who asks for a run that is not there?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeGuard

from raygen.errors import RunError
from raygen.runs.paths import RunPaths

_KEYS = {"name", "metric", "mode", "entries", "test"}
_KEYS_OF_ENTRY = {
    "rank",
    "trial_id",
    "candidate",
    "mean",
    "std",
    "folds",
    "num_parameters",
    "seconds",
}


def read_board(paths: RunPaths) -> dict[str, Any] | None:
    """The leaderboard of a run; None if it has none yet.

    Raises:
        RunError: Its file is damaged.
    """
    try:
        board = json.loads(paths.leaderboard.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        told = error.strerror or "cannot be read"
        raise RunError(told, where=str(paths.leaderboard)) from None
    except ValueError:
        board = None
    if not _is_board(board):
        raise RunError(
            "cannot be read, for it is damaged",
            where=str(paths.leaderboard),
            remedy=f"type raygen rank {paths.folder}, which writes it anew",
        )
    return board


def _is_board(found: Any) -> TypeGuard[dict[str, Any]]:
    """Whether it has what every leaderboard has."""
    if not isinstance(found, dict) or not found.keys() >= _KEYS:
        return False
    entries = found["entries"]
    return isinstance(entries, list) and all(
        isinstance(each, dict) and each.keys() >= _KEYS_OF_ENTRY for each in entries
    )


def no_run(folder: Path) -> RunError:
    """What to tell who names a folder that holds no run, and which was meant."""
    paths = RunPaths(folder)
    if paths.journal.exists() and not paths.config.exists():
        return RunError(
            "it is not there any more",
            where=str(paths.config),
            must="it says what the run is of",
            remedy="put it back, or type the command again that the run began with",
        )
    if paths.ticket.exists():
        return RunError(
            "nothing of this run is here yet",
            where=str(folder),
            must="it was submitted to a cluster",
            remedy=f"type raygen status {folder}",
        )
    near = (Path("runs", folder.name), *folder.parents)
    found = [each for each in near if each != folder and RunPaths(each).journal.is_file()]
    remedy = f"did you mean {found[0]}?" if found else "type ls runs"
    return RunError("there is no run", where=str(folder), remedy=remedy)
