from __future__ import annotations

from pathlib import Path

from raygen.runs.paths import RunPaths


def test_a_run_lies_where_the_readme_says() -> None:
    """Names that machines read may not change."""
    paths = RunPaths(Path("runs/digits"))

    assert paths.config == Path("runs/digits/config.yaml")
    assert paths.journal == Path("runs/digits/journal.jsonl")
    assert paths.leaderboard == Path("runs/digits/leaderboard.json")
    assert paths.best == Path("runs/digits/best")
    assert paths.trial("00007").model == Path("runs/digits/trials/00007/model.py")


def test_no_two_files_have_one_name() -> None:
    """Checkpoints of different folds, and of the fit on all rows, lie apart."""
    paths = RunPaths(Path("run"))
    trial = paths.trial("00000")
    files = [paths.config, paths.journal, paths.lock, paths.leaderboard, paths.picture, paths.best]
    files += [paths.tune, trial.model, trial.log, trial.checkpoint(None)]
    files += [trial.checkpoint(fold) for fold in range(12)]

    assert len(set(files)) == len(files)
