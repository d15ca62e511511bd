from __future__ import annotations

from pathlib import Path

from raygen.runs.paths import RunPaths, turn_of


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


def test_a_trial_that_is_over_leaves_other_trainings_of_it_alone(tmp_path: Path) -> None:
    """Those of further seeds and of fold models go on from what they have saved."""
    paths = RunPaths(tmp_path).trial("00003")
    gone = ["checkpoint-0", "checkpoint-0.old", "milestone-4", "move-1"]
    for name in [*gone, "checkpoint-0-seed-1", "checkpoint-0-model", "checkpoint-1", "turn-0"]:
        (paths.folder / name).mkdir(parents=True)

    assert sorted(path.name for path in paths.leftovers) == gone
    assert turn_of(paths.checkpoint(0)) == paths.turn(0)
    assert turn_of(paths.folder / "checkpoint-0-seed-1").name == "turn-0-seed-1"
