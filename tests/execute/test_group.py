"""Is a config with several workers for a trial understood, or refused in one line?"""

from __future__ import annotations

from pathlib import Path

import pytest

from raygen.config.load import parse_experiment
from raygen.errors import ConfigError, EnvironmentProblem, RaygenError
from raygen.machine import count_gpus
from raygen.plan import plan_run

TASK = {"name": "ImageClassification", "dataset": {"name": "digits"}}
DIGITS = "task: {name: ImageClassification, dataset: {name: digits}}\n"
CUSTOM = (
    "task: {name: Custom, command: python train.py, metric: loss, mode: min}\n"
    "model: {parameters: {lr: {float: [0.1, 1.0]}}}\n"
)


def test_workers_are_a_number_or_a_range() -> None:
    """Each worker has its own CPUs and GPUs; a trial of one worker may be written either way."""
    given = ({}, {"workers_per_trial": [1, 4], "cpus_per_worker": 2}, {"gpus_per_worker": 1})

    found = [parse_experiment({"task": TASK, "resources": each}).resources for each in given]

    assert [each.workers for each in found] == [(1, 1), (1, 4), (1, 1)]
    assert [each.grouped for each in found] == [False, True, False]
    assert [(each.cpus, each.gpus) for each in found] == [(1, 0), (2, 0), (1, 1)]


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"workers_per_trial": [4, 1]}, "the first must not be above the second"),
        ({"workers_per_trial": 0}, "a whole number of at least 1, or a list"),
        ({"workers_per_trial": 2, "cpus_per_trial": 2}, "write cpus_per_worker alone"),
        ({"gpus_per_trial": 1, "gpus_per_worker": 1}, "write gpus_per_worker alone"),
        ({"strategy": "ddp"}, "write workers_per_trial: 2, or remove it"),
        ({"workers_per_trial": 2, "gpus_per_worker": 1.5}, "above 1 it must be a whole number"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(resources: dict[str, object], told: str) -> None:
    """One line names the key, what holds, and what to write."""
    with pytest.raises(ConfigError, match="config: resources") as refusal:
        parse_experiment({"task": TASK, "resources": resources})

    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (DIGITS + "resources: {workers_per_trial: 4096}", "4096 workers of 1 CPUs and 0 GPUs"),
        (
            DIGITS + "resources: {workers_per_trial: 2, cpus_per_worker: 4096}",
            "a worker wants 4096 CPUs",
        ),
        (DIGITS + "resources: {gpus_per_worker: 99}", "a worker wants 99 GPUs"),
        (DIGITS + "resources: {workers_per_trial: 2, strategy: fsdp}", "write ddp"),
        (
            DIGITS + "resources: {workers_per_trial: 2}\nsearch: {scheduler: resources}",
            "write asha",
        ),
        (CUSTOM + "resources: {workers_per_trial: 2}", "start its own processes"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_trained(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than this machine has, or a program that cannot share its work: one line says so."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("train.py").touch()
    Path("config.yaml").write_text(text + "\n", encoding="utf-8")

    with pytest.raises(RaygenError) as refusal:
        plan_run("config.yaml", emits=False)

    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_machine_without_gpus_lends_none(tmp_path: Path) -> None:
    """``gpus_per_worker`` is refused with the number of GPUs that there are."""
    config = tmp_path / "config.yaml"
    config.write_text(DIGITS, encoding="utf-8")
    wanted = count_gpus() + 1

    with pytest.raises(EnvironmentProblem, match=f"this machine has {wanted - 1}"):
        plan_run(config, [f"resources.gpus_per_worker={wanted}"], emits=False)
