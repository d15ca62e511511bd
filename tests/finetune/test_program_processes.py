"""Does a program that several processes train do what one does, and go on where another stopped?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import planned, program_of, write_config

from raygen.finetune.blueprint import PretrainedBlueprint
from raygen.source.candidate import Candidate

TRAIN = """
import json, os, sys
import torch.distributed as dist
import emitted
if emitted.WORLD_SIZE > 1:
    dist.init_process_group()
x, y, _, _ = emitted.load_data()
resume, saved, epochs = sys.argv[1:]
def report(metrics, save):
    emitted.print_report(metrics)
    if saved:
        save(saved)
emitted.train(x, y, 0, report, resume or None, int(epochs))
"""
"""Trains a fold, perhaps from a saved folder, and perhaps saves it."""


def test_two_processes_train_as_one(folder: Path, model: Path) -> None:
    """Torchrun's two processes have the loss curve of one, with 5 rows in the last batch."""
    blueprint = emit(folder, model, "lora", "ddp")

    two, one = curve(folder, 2), losses_here(blueprint, folder)

    np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_number_of_processes_changes_nothing(
    folder: Path, model: Path, method: str, strategy: str
) -> None:
    """One, two and three processes have one curve; what two saved, one and three go on from."""
    emit(folder, model, method, strategy)

    whole = curve(folder, 1)
    begun = curve(folder, 2, saved="saved", epochs=1)
    resumed = [curve(folder, processes, resume="saved") for processes in (1, 2, 3)]

    assert len(whole) == 3
    np.testing.assert_allclose(begun, whole[:1], atol=1e-5)
    for each in resumed:
        np.testing.assert_allclose(each, whole[1:], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_emitted_program_runs_under_torchrun(folder: Path, model: Path, strategy: str) -> None:
    """Two processes train, score the test rows, and leave weights that one predicts with."""
    emit(folder, model, "lora", strategy)

    result = json.loads(run(folder, 2, "emitted.py").splitlines()[-1])
    told = run(folder, 1, "emitted.py", "--predict", "texts.parquet")

    assert 0 <= result["test"]["accuracy"] <= 1
    assert len(told.splitlines()) == 60
    assert (folder / "weights" / "adapter_model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("option", ["checkpointing", "compile"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_options_change_no_loss(folder: Path, model: Path, method: str, option: str) -> None:
    """Activations that are computed twice, and compiled models, give the same losses."""
    emit(folder, model, method, "ddp")
    expected = curve(folder, 1, epochs=2)
    emit(folder, model, method, "ddp", **{option: True})

    np.testing.assert_allclose(curve(folder, 1, epochs=2), expected, atol=1e-5)


def test_memory_that_is_out_halves_the_micro_batch(
    folder: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After one error the loss curve is the same, with smaller micro-batches, and it is told."""
    import torch

    blueprint = emit(folder, model, "full", "ddp")
    expected = losses_here(blueprint, folder)
    program = program_of(blueprint, folder)
    whole, calls = program.loss_sum, []

    def fail_once(network: Any, inputs: Any, *rest: Any) -> Any:
        calls.append(len(inputs["input_ids"]))
        if len(calls) == 2:  # when there is part of a gradient already
            raise torch.OutOfMemoryError("out of memory")
        return whole(network, inputs, *rest)

    program.loss_sum = fail_once
    losses = train_here(program, blueprint)

    np.testing.assert_allclose(losses, expected, atol=1e-5)
    assert max(calls[:2]) > 2 >= max(calls[2:])
    assert "out of memory: micro-batches of 2 from now on" in capsys.readouterr().out


def losses_here(blueprint: PretrainedBlueprint, folder: Path) -> list[float]:
    """The loss of each epoch, trained in this process."""
    return train_here(program_of(blueprint, folder), blueprint)


def train_here(program: Any, blueprint: PretrainedBlueprint) -> list[float]:
    """The loss of each epoch of a program."""
    arrays, losses = blueprint.load_arrays(), []
    program.train(arrays["x"], arrays["y"], 0, lambda m, _: losses.append(m["train_loss"]))
    return losses


def emit(
    folder: Path, model: Path, method: str, strategy: str, **training: Any
) -> PretrainedBlueprint:
    """Write a program that trains for three epochs."""
    settings = {"batch_size": 11, "micro_batch": 4, "learning_rate": 1e-2, **training}
    section = {"pretrained": str(model), "method": method, "training": settings}
    config = write_config(folder, model, model=section, search={"max_epochs": 3})
    blueprint = replace(planned(config), strategy=strategy)
    text = blueprint.render(Candidate({})).text
    (folder / "emitted.py").write_text(text, encoding="utf-8")
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    return blueprint


def curve(
    folder: Path, processes: int, *, resume: str = "", saved: str = "", epochs: int = 3
) -> list[float]:
    """The loss of each epoch."""
    told = run(folder, processes, "train.py", resume, saved, str(epochs))
    return [json.loads(line)["train_loss"] for line in told.splitlines()]


def run(folder: Path, processes: int, *arguments: str) -> str:
    """What a script prints that so many processes run."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [sys.executable, *(launcher if processes > 1 else ()), *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
