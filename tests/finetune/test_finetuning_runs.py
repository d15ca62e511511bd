"""Is a fine-tuning searched, ranked and emitted like any other candidate?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import write_config

from raygen.errors import ConfigError, RunError, TrialError
from raygen.pipeline import finetune, generate
from raygen.runs.journal import read_events
from raygen.runs.records import History

RANKS = {
    "lora": {"rank": "$rank"},
    "training": {"batch_size": 16},
    "parameters": {
        "rank": {"choice": [2, 4]},
        "learning_rate": {"float": [1e-3, 3e-2], "log": True},
    },
}


@pytest.mark.ray
def test_emitted_program_repeats_its_scores(folder: Path, model: Path) -> None:
    """Two trials are searched and ranked; the winner's file gives its fold scores again."""
    config = write_config(folder, model, model=RANKS)

    result = generate(config, run_dir=str(folder / "run"))
    done = subprocess.run(
        [sys.executable, "model.py", "--cv"], cwd=folder, capture_output=True, text=True, check=True
    )

    best = result.leaderboard["entries"][0]
    assert json.loads(done.stdout.splitlines()[-1])["folds"] == best["folds"]
    told = best["held_out"]
    assert told["micro"]["recall"] == pytest.approx(best["mean"], abs=0.05)
    assert told["rows"] == sum(each["support"] for each in told["classes"])
    assert "accuracy" in result.leaderboard["test"]
    assert (folder / "run" / "best" / "weights" / "adapter_model.safetensors").exists()


@pytest.mark.ray
def test_one_training_without_parameters(folder: Path, model: Path) -> None:
    """Nothing open: one training on all rows, the test scores, the file and its weights."""
    config = write_config(folder, model)

    result = finetune(config, run_dir=str(folder / "run"))

    assert result.output == folder / "model.py"
    assert 0 <= result.leaderboard["test"]["accuracy"] <= 1
    assert (folder / "run" / "best" / "weights" / "checkpoint.pt").exists()


NETWORK = """task:
  name: ImageClassification
  dataset: {{name: digits, train_split: train, test_split: test}}
framework: {framework}
model: {{layers: [{{conv: 8}}, activation, global_pool], training: {{learning_rate: 3.0e-2}}}}
search: {{max_epochs: 2}}
resources: {{workers_per_trial: {workers}}}
output: {output}
"""


@pytest.mark.ray
@pytest.mark.parametrize(
    ("framework", "workers"),
    [("torch", 1), *(pytest.param(f, 2, marks=pytest.mark.slow) for f in ("torch", "tensorflow"))],
)
def test_layers_without_parameters_are_trained_once(
    tmp_path: Path, framework: str, workers: int
) -> None:
    """So are the networks of both frameworks, by several processes too; the epochs are told."""
    pytest.importorskip(framework)
    config, output = tmp_path / "config.yaml", tmp_path / "model.py"
    config.write_text(NETWORK.format(framework=framework, workers=workers, output=output))

    result = finetune(config, run_dir=str(tmp_path / "run"))

    assert result.leaderboard["test"]["accuracy"] > 0.15
    assert list((tmp_path / "run" / "best" / "weights").iterdir())
    events = read_events(tmp_path / "run" / "journal.jsonl")
    told = [each["epoch"] for each in events if each["event"] == "fit"]
    assert told == [0, 1, 2]


@pytest.mark.slow
def test_a_population_of_finetunings_exploits_and_replays(folder: Path, model: Path) -> None:
    """Weak trials really take over better weights and settings; their files replay it alone.

    The learning rates of a first candidate that learns nothing and of others that do are far
    apart, so that a population that only searched at random would have no reason to move.
    """
    section = {
        "training": {"batch_size": 16},
        "parameters": {
            "learning_rate": {"float": [1e-6, 3e-2], "log": True},
            "weight_decay": {"float": [0.0, 0.1]},
        },
    }
    search = {"algorithm": "random", "scheduler": "pbt", "trials": 4, "max_epochs": 5}
    resources = {"concurrent": 2}
    config = write_config(folder, model, model=section, search=search, resources=resources)

    generate(config, run_dir=str(folder / "run"))

    journal = folder / "run" / "journal.jsonl"
    moves = [each for each in read_events(journal) if each["event"] == "exploit"]
    history = History.read(journal)
    assert moves
    for move in moves:
        assert move["parent"] != move["trial_id"]
        assert 1e-6 <= move["values"]["learning_rate"] <= 3e-2
        assert 0.0 <= move["values"]["weight_decay"] <= 0.1
    moved = {move["trial_id"] for move in moves}
    assert all(len(history.trials[each].schedule) > 0 for each in moved)
    for trial_id in {*moved, *(trial_id for trial_id, _ in history.folds)}:
        program = folder / "run" / "trials" / trial_id / "model.py"
        command = [sys.executable, str(program), "--fold", "0"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout.splitlines()[-1]) == history.trials[trial_id].metrics


def test_a_folder_with_a_foreign_config_is_left_alone(folder: Path, model: Path) -> None:
    """--run-dir of the folder that holds the config itself would overwrite it."""
    config = write_config(folder, model)
    before = config.read_text()

    with pytest.raises(RunError, match=r"holds a config\.yaml that is of no run"):
        finetune(config, run_dir=str(folder))

    assert config.read_text() == before


@pytest.mark.parametrize(
    "content",
    [b'{"spent": 3', b'{"spent": 3}\n', b'{"event": "begun"}\n'],
    ids=["torn", "", "near"],
)
def test_a_folder_with_a_foreign_journal_is_left_alone(
    folder: Path, model: Path, content: bytes
) -> None:
    """A file of another tool that happens to have the name is not written to, whole or torn."""
    config = write_config(folder, model)
    (folder / "books").mkdir()
    (folder / "books" / "journal.jsonl").write_bytes(content)

    with pytest.raises(RunError, match=r"holds a journal\.jsonl that is of no run"):
        finetune(config, run_dir=str(folder / "books"))

    assert [file.name for file in (folder / "books").iterdir()] == ["journal.jsonl"]
    assert (folder / "books" / "journal.jsonl").read_bytes() == content


@pytest.mark.ray
def test_a_run_that_failed_at_once_begins_anew(folder: Path, model: Path) -> None:
    """What it failed by is mended, in the config or beside it, and the command is typed again."""
    training = {"batch_size": 16, "learning_rate": 1e30, "max_grad_norm": 1e30}
    spoilt = folder / "model"
    shutil.copytree(model, spoilt)
    weights = load_file(spoilt / "model.safetensors")
    broken = {name: torch.full_like(weight, torch.nan) for name, weight in weights.items()}
    save_file(broken, spoilt / "model.safetensors", {"format": "pt"})
    config = write_config(folder, spoilt, model={"pretrained": str(spoilt), "training": training})
    with pytest.raises(TrialError):
        finetune(config, run_dir=str(folder / "run"))

    save_file(weights, spoilt / "model.safetensors", {"format": "pt"})
    config = write_config(folder, spoilt)
    result = finetune(config, run_dir=str(folder / "run"))

    assert "accuracy" in result.leaderboard["test"]
    write_config(folder, spoilt, search={"max_epochs": 1})
    with pytest.raises(RunError, match=r"another search\.max_epochs"):
        finetune(config, run_dir=str(folder / "run"))


def test_the_other_verb_is_named(folder: Path, model: Path) -> None:
    """A search without parameters and a single training with some are refused with the remedy."""
    with pytest.raises(ConfigError, match="type raygen finetune"):
        generate(write_config(folder, model), run_dir=str(folder / "run"))
    with pytest.raises(ConfigError, match="type raygen generate"):
        finetune(write_config(folder, model, model=RANKS), run_dir=str(folder / "run"))
    config = folder / "config.yaml"
    config.write_text("task: {name: ImageClassification, dataset: {name: digits}}\n")
    with pytest.raises(ConfigError, match=r"model\.layers: missing.*type raygen generate"):
        finetune(config, run_dir=str(folder / "run"))
