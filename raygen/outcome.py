"""What does a run leave for others? The leaderboard, the programs, the picture."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.errors import RunError
from raygen.run_folder import write_whole
from raygen.runs.board import no_run, read_board
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
    text = _as_trained(paths, board["entries"][0])
    write_whole(paths.best / "model.py", text)
    write_whole(output, text)
    return output


def emit_ensemble(plan: Plan, board: dict[str, Any], say: Callable[[str], None]) -> None:
    """Write the program of those that predict together, or remove that of an earlier ranking.

    Raises:
        RunError: A member's file is not the one that was trained.
    """
    paths, rows = plan.paths, together_rows(board)
    if rows and plan.experiment.task.files is not None:
        say("together: no ensemble.py, for RayGen joins only programs that it has written")
        rows = []
    text = _ensemble_text(plan, board, rows[0]) if rows else None
    known = paths.ensemble.read_bytes() if paths.ensemble.exists() else None
    trained = History.read(paths.journal).fold_models.trial_id
    of_these = any(row["kind"] == "folds" and trained in row["members"] for row in rows)
    if text != known and not of_these:
        shutil.rmtree(paths.ensemble_weights, ignore_errors=True)  # of another one
    if text is None:
        paths.ensemble.unlink(missing_ok=True)
    else:
        write_whole(paths.ensemble, text)


def _ensemble_text(plan: Plan, board: Mapping[str, Any], row: Mapping[str, Any]) -> bytes:
    from raygen.source.ensemble import ensemble_program

    entries, bag = {entry["trial_id"]: entry for entry in board["entries"]}, row["kind"] == "folds"
    members = [
        (trial_id, _as_trained(plan.paths, entries[trial_id]).decode(), 1 if bag else count)
        for trial_id, count in row["members"].items()
    ]
    return ensemble_program(members, name=plan.experiment.name, bag=bag).encode()


def _as_trained(paths: RunPaths, entry: Mapping[str, Any]) -> bytes:
    """A candidate's program.

    Raises:
        RunError: It is not the one that was trained.
    """
    model = paths.trial(entry["trial_id"]).model
    text = model.read_bytes()
    if hashlib.sha256(text).hexdigest() != entry["source_sha"]:
        raise RunError(
            "it was changed after it was trained",
            where=str(model),
            must="its sha256 must be the one in the journal",
            remedy="begin a new run with --run-dir",
        )
    return text


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
        RunError: There is no such run, it is not ranked yet, or the file is damaged.
    """
    board = read_board(paths)
    if board is None and not paths.journal.exists():
        raise no_run(paths.folder)
    if board is None:
        raise RunError(
            "it is not ranked yet",
            where=str(paths.folder),
            remedy=f"type raygen rank {paths.folder}",
        )
    return board
