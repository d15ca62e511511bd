"""What does the leaderboard of a run hold, and what hears who asks for a run that is not there?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from raygen.errors import RunError
from raygen.runs.paths import RunPaths


def read_board(paths: RunPaths) -> dict[str, Any] | None:
    """The leaderboard of a run; None if it has none yet.

    Raises:
        RunError: Its file is damaged.
    """
    try:
        board = json.loads(paths.leaderboard.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        board = None
    if not isinstance(board, dict) or "entries" not in board:
        raise RunError(
            "cannot be read, for it is damaged",
            where=str(paths.leaderboard),
            remedy=f"type raygen rank {paths.folder}, which writes it anew",
        )
    return board


def no_run(folder: Path) -> RunError:
    """What to tell who names a folder that holds no run, and which was meant."""
    if RunPaths(folder).ticket.exists():
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
