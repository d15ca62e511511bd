"""Does a run get onto Slurm, and can one hear of it, stop it, and submit it again?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm

from raygen.launch.launchers import LAUNCHERS
from raygen.launch.ticket import KINDS

Raygen = Callable[..., tuple[int, str]]
SUBMIT = ("submit", "config.yaml", "--cluster", "slurm.yaml")
VERBS = ("status", "logs", "stop", "attach", "fetch")


def test_a_run_is_submitted_asked_for_and_stopped(
    slurm: FakeSlurm, place: Path, raygen: Raygen
) -> None:
    """Waiting is explained, a second submission is refused, and stop lets it keep what is done."""
    assert raygen(*SUBMIT)[0] == 0
    assert "waiting: jobs of a higher priority are before it" in raygen("status", "runs/digits")[1]

    code, told = raygen(*SUBMIT)
    assert code == 2
    assert "job 1 is at it" in told

    slurm.set("1", "RUNNING")
    assert "job 1: running" in raygen("status", "runs/digits")[1]
    raygen("stop", "runs/digits")
    assert slurm.jobs["1"]["signals"] == [["--batch", "--signal=TERM"]]

    slurm.set("1", "COMPLETED")
    assert "job 1: gone" in raygen("status", "runs/digits")[1]
    assert "is over already" in raygen("stop", "runs/digits")[1]
    assert raygen(*SUBMIT)[0] == 0
    assert json.loads((place / "runs/digits/launch/ticket.json").read_text())["job"] == "2"


def test_a_run_that_waits_is_taken_out(slurm: FakeSlurm, place: Path, raygen: Raygen) -> None:
    """There is nothing to keep of a job that has not begun."""
    raygen(*SUBMIT)

    raygen("stop", "runs/digits")

    assert slurm.jobs["1"] == {"state": "CANCELLED", "reason": "Priority", "signals": [[]]}


def test_attach_follows_to_the_end(slurm: FakeSlurm, place: Path, raygen: Raygen) -> None:
    """What the job has printed is shown, and how it stands when it is over."""
    raygen(*SUBMIT)
    (place / "runs/digits/launch/log.txt").write_text("search 3/20 trials\n")
    slurm.set("1", "COMPLETED")

    code, told = raygen("attach", "runs/digits")

    assert code == 0
    assert "search 3/20 trials\n" in told
    assert "job 1: gone" in told


def test_a_dry_run_starts_nothing(slurm: FakeSlurm, place: Path, raygen: Raygen) -> None:
    """The script is printed; nothing is written, and Slurm hears of nothing."""
    code, told = raygen(*SUBMIT, "--dry-run", "--set", "search.trials=3")

    assert code == 0
    assert "--set search.trials=3 &" in told
    assert slurm.jobs == {}
    assert not (place / "runs").exists()


@pytest.mark.parametrize("run_dir", ["config.yaml", "config.yaml/run", "/proc/none"])
def test_no_job_begins_that_nobody_could_ask_for(
    slurm: FakeSlurm, place: Path, raygen: Raygen, run_dir: str
) -> None:
    """Where no ticket can be written, Slurm hears of nothing."""
    code, told = raygen(*SUBMIT, "--run-dir", run_dir)

    assert (code, len(told.splitlines())) == (2, 1), told
    assert f"{run_dir}: cannot be written" in told
    assert slurm.jobs == {}


@pytest.mark.parametrize(
    "ticket",
    [
        "",
        "[1]",
        '{"kind": "other", "job": "1", "submitted": 1}',
        '{"kind": "slurm", "job": null, "submitted": 1}',
        '{"kind": "ray", "job": "1", "submitted": 1, "cluster": "slurm.yaml", "run": "/x"}',
    ],
)
def test_a_damaged_ticket_is_told_in_one_line(
    slurm: FakeSlurm, place: Path, raygen: Raygen, ticket: str
) -> None:
    """By all that ask for a run, and by a second submission; so is a file in place of a run."""
    raygen(*SUBMIT)
    (place / "runs/digits/launch/ticket.json").write_text(ticket)

    for words in (*((verb, "runs/digits") for verb in VERBS), SUBMIT):
        code, told = raygen(*words)
        assert (code, len(told.splitlines())) == (2, 1), told
    for verb in VERBS:
        code, told = raygen(verb, "config.yaml")
        assert (code, "config.yaml: there is no run" in told) == (2, True), told


@pytest.mark.parametrize("price", ["0", "-3", "nan", "inf"])
def test_a_price_that_is_none_is_refused(place: Path, raygen: Raygen, price: str) -> None:
    """Rather than reckoned with."""
    code, told = raygen(*SUBMIT, "--dry-run", "--price", price)

    assert (code, told.startswith(f"Error: --price: {price} given")) == (2, True), told


def test_a_price_of_a_run_that_begins_is_refused(place: Path, raygen: Raygen) -> None:
    """It would tell nothing."""
    code, told = raygen(*SUBMIT, "--price", "3")

    assert (code, "add --dry-run" in told) == (2, True), told
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ("runs", "it must be a URI, or the full path of a folder on the cluster"),
        ("foo://runs", "fsspec must know it"),
        ("s33://runs", "did you mean `s3`"),
        ("s3://", "it must name a bucket or a folder"),
    ],
)
def test_a_copy_that_cannot_be_is_refused_before_anything_is_submitted(
    place: Path, raygen: Raygen, storage: str, told: str
) -> None:
    """A job that waits for hours should not end by that."""
    code, said = raygen(*SUBMIT, "--set", f"storage={storage}")

    assert (code, len(said.splitlines())) == (2, 1), said
    assert f"storage: '{storage}' given" in said
    assert told in said
    assert not (place / "runs").exists()


def test_every_kind_of_cluster_has_tickets() -> None:
    """The ticket knows the launchers' names, though it must not import them."""
    assert set(KINDS) == set(LAUNCHERS)


def test_what_cannot_be_submitted_is_refused_in_one_line(
    place: Path, raygen: Raygen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Slurm here, no room on any node, no such run, a run that was begun elsewhere."""
    monkeypatch.setenv("PATH", str(place))
    cases = {
        SUBMIT: "there is no program sbatch here",
        (*SUBMIT, "--set", "resources.cpus_per_trial=5"): "slurm.yaml:1: slurm: a trial wants",
        ("status", "runs/none"): "runs/none: there is no run",
        ("logs", "."): "it was not submitted to a cluster",
    }
    for words, expected in cases.items():
        code, told = raygen(*words)

        assert code == 2, told
        assert expected in told
        assert len(told.strip().splitlines()) == 1, told
    assert not (place / "runs").exists()
