"""What does a run leave for others? The leaderboard, the programs, the picture."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.errors import RunError
from raygen.run_folder import write_whole
from raygen.runs.paths import RunPaths
from raygen.runs.records import History
from raygen.runs.together import together_rows

if TYPE_CHECKING:
    from raygen.plan import Plan


def emit(paths: RunPaths, board: dict[str, Any], output: Path) -> Path:
    """Copy the winner's model.py, byte for byte, to ``best/`` and to the output.

    Raises:
        RunError: The file is not the one that was trained.
    """
    winner = board["entries"][0]
    text = paths.trial(winner["trial_id"]).model.read_bytes()
    if hashlib.sha256(text).hexdigest() != winner["source_sha"]:
        raise RunError(
            "it was changed after it was trained",
            where=str(paths.trial(winner["trial_id"]).model),
            must="its sha256 must be the one in the journal",
            remedy="begin a new run with --run-dir",
        )
    write_whole(paths.best / "model.py", text)
    write_whole(output, text)
    return output


def emit_ensemble(plan: Plan, board: dict[str, Any]) -> None:
    """Write the program of those that predict together, if they are networks of ours."""
    from raygen.source.ensemble import ensemble_program
    from raygen.source.render import Blueprint

    paths, together = plan.paths, together_rows(board)
    paths.ensemble.unlink(missing_ok=True)  # of another ranking
    if together and isinstance(plan.blueprint, Blueprint):
        members = [
            (trial_id, paths.trial(trial_id).model.read_text(encoding="utf-8"), count)
            for trial_id, count in together[0]["members"].items()
        ]
        text = ensemble_program(members, name=plan.experiment.name)
        write_whole(paths.ensemble, text.encode())


def draw(paths: RunPaths) -> Path:
    """Draw the run's picture from its journal and leaderboard."""
    from raygen.report.picture import draw_run  # matplotlib: half a second

    board = read_leaderboard(paths)
    draw_run(History.read(paths.journal), board, paths.picture)
    return paths.picture


def write_leaderboard(paths: RunPaths, board: dict[str, Any]) -> None:
    """Write the leaderboard of a run as a whole."""
    write_whole(paths.leaderboard, json.dumps(board, indent=2, ensure_ascii=False).encode())


def read_leaderboard(paths: RunPaths) -> dict[str, Any]:
    """The leaderboard of a run.

    Raises:
        RunError: There is no such run, or it is not ranked yet.
    """
    if not paths.leaderboard.exists():
        known = paths.journal.exists()
        raise RunError(
            "it is not ranked yet" if known else "there is no run",
            where=str(paths.folder),
            remedy=f"type raygen rank {paths.folder}" if known else "type ls runs",
        )
    board: dict[str, Any] = json.loads(paths.leaderboard.read_text(encoding="utf-8"))
    return board
