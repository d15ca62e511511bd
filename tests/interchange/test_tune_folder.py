from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raygen.errors import ConfigError
from raygen.interchange.known import KnownCandidate, read_candidates

CONFIGS: tuple[dict[str, Any], ...] = (
    {"lr": 0.01, "width": 16, "opt": {"name": "adam"}, "flag": True, "extra": None},
    {"lr": 0.1, "width": 32, "opt": {"name": "sgd"}, "flag": True, "extra": None},
    {"lr": 0.5, "width": 64, "opt": {"name": "sgd"}, "flag": True, "extra": None},
)
KNOWN = [
    KnownCandidate({"lr": 0.01, "width": 16, "opt_name": "adam", "flag": True}, 0.25, "min"),
    KnownCandidate({"lr": 0.1, "width": 32, "opt_name": "sgd", "flag": True}, 0.5, "min"),
]


def experiment(folder: Path, *, state: bool = True, loggers: bool = True) -> Path:
    """What Ray Tune 2.60 leaves of three trials, of which the last raised."""
    folder.mkdir()
    stored = []
    for number, config in enumerate(CONFIGS):
        name = f"train_c716c_0000{number}_{number}_width={config['width']}"
        reports = [
            {"loss": loss, "training_iteration": epoch, "done": False, "config": config}
            for epoch, loss in enumerate((1.0, 0.25 * (number + 1)), start=1)
        ]
        failed = number == 2
        if loggers:
            (folder / name).mkdir()
            (folder / name / "params.json").write_text(json.dumps(config))
            lines = "\n".join(json.dumps(each) for each in reports)
            (folder / name / "result.json").write_text(lines + '\n{"loss": 0.')
            if failed:
                (folder / name / "error.txt").write_text("RuntimeError: boom")
        status = "ERROR" if failed else "TERMINATED"
        trial = {"config": config, "status": status, "relative_logdir": name, "trial_id": name}
        older = reports[0] if loggers else reports[1]
        stored.append([json.dumps(trial), json.dumps({"last_result": older})])
    if state:
        found = {"trial_data": stored, "runner_data": {"_metric": "loss"}, "stats": {}}
        (folder / "experiment_state-2026-11-23_04-17-28.json").write_text(json.dumps(found))
    return folder


def test_an_experiment_is_read_from_its_state_and_its_trials(tmp_path: Path) -> None:
    """The last whole report counts, the metric is the experiment's, and who raised is left out."""
    assert read_candidates(experiment(tmp_path / "tiny")) == KNOWN


def test_an_experiment_without_loggers_is_read_from_its_state(tmp_path: Path) -> None:
    """With its loggers switched off Ray Tune writes no folders of trials."""
    assert read_candidates(experiment(tmp_path / "tiny", loggers=False)) == KNOWN


def test_an_experiment_without_state_is_read_from_its_trials(tmp_path: Path) -> None:
    """Only the metric must then be told."""
    folder = experiment(tmp_path / "tiny", state=False)

    with pytest.raises(ConfigError, match="no metric given; it must be one of loss"):
        read_candidates(folder)
    assert read_candidates(f"{folder}#loss") == KNOWN


def test_metric_and_direction_can_be_told(tmp_path: Path) -> None:
    """What is told wins; a direction that no name suggests must be told."""
    folder = experiment(tmp_path / "tiny")

    assert {each.mode for each in read_candidates(f"{folder}#loss:max")} == {"max"}
    with pytest.raises(ConfigError, match="the metric 'acc' given"):
        read_candidates(f"{folder}#acc")
    with pytest.raises(ConfigError, match="tiny#training_iteration:min"):
        read_candidates(f"{folder}#training_iteration")
    with pytest.raises(ConfigError, match="the direction 'up' of loss given"):
        read_candidates(f"{folder}#loss:up")


@pytest.mark.ray
def test_what_ray_tune_itself_writes_is_read(tmp_path: Path) -> None:
    """A job of the installed Ray Tune gives the candidates it ran, but for the one that raised."""
    import ray
    from ray import tune

    def train(config: dict[str, Any]) -> None:
        for epoch in (4, 2):
            tune.report({"loss": config["width"] * epoch})
        if config["width"] == 64:
            raise RuntimeError("boom")

    ray.init(num_cpus=2, include_dashboard=False, address="local", ignore_reinit_error=True)
    try:
        tune.Tuner(
            train,
            param_space={"width": tune.grid_search([16, 64]), "opt": {"name": "adam"}},
            tune_config=tune.TuneConfig(metric="loss", mode="min"),
            run_config=tune.RunConfig(name="tiny", storage_path=str(tmp_path), verbose=0),
        ).fit()
    finally:
        ray.shutdown()

    assert read_candidates(tmp_path / "tiny") == [
        KnownCandidate({"width": 16, "opt_name": "adam"}, 32.0, "min")
    ]
