from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.errors import ConfigError
from raygen.interchange.known import KnownCandidate, clipped, fits, fitting, read_candidates
from raygen.runs.journal import Journal
from raygen.runs.paths import RunPaths

SPACE = Space(
    "small",
    (),
    parameters=(
        Parameter("optimizer", Choice(("adamw", "sgd"))),
        Parameter("momentum", Float(0.5, 0.9, step=0.1), when=Condition("optimizer", ("sgd",))),
        Parameter("units", Int(8, 64, step=8)),
    ),
)


def run_folder(folder: Path, trials: Sequence[tuple[str, Sequence[float], str]]) -> Path:
    """A run with one trial for each candidate, curve and state."""
    journal = Journal(RunPaths(folder).journal)
    journal.append("begin", metric="accuracy", data_sha="1")
    for number, (candidate, curve, state) in enumerate(trials):
        trial_id = f"{number:05d}"
        values = {"units": 8 * (ord(candidate) - ord("a") + 1)}
        sha = {"source_sha": "0", "num_parameters": 9}
        journal.append("trial", trial_id=trial_id, values=values, candidate=candidate, **sha)
        for epoch, score in enumerate(curve, start=1):
            metrics = {"accuracy": score}
            fields = {"trial_id": trial_id, "epoch": epoch, "seconds": 1.0}
            journal.append("report", metrics=metrics, **fields)
        if state:
            journal.append("end", trial_id=trial_id, state=state)
    journal.close()
    return folder


def test_a_run_knows_its_scored_trials(tmp_path: Path) -> None:
    """Each candidate with the mean of its repeats' last scores; failed and running ones are not."""
    folder = run_folder(
        tmp_path,
        [
            ("a", (0.5, 0.75), "finished"),
            ("b", (0.5,), "nan"),
            ("a", (0.25, 0.25), "finished"),
            ("c", (0.625,), "stopped"),
            ("d", (0.5,), ""),
        ],
    )

    assert read_candidates(folder) == [
        KnownCandidate({"units": 8}, 0.5, "max"),
        KnownCandidate({"units": 24}, 0.625, "max"),
    ]


@pytest.mark.parametrize("name", ["known.yaml", "known.json"])
def test_a_list_is_values_with_or_without_scores(tmp_path: Path, name: str) -> None:
    """Plain mappings are values; with `values` there may be a score and a direction."""
    path = tmp_path / name
    given = [{"units": 8}, {"values": {"units": 16}, "score": 2, "mode": "min"}]
    path.write_text(json.dumps(given))

    assert read_candidates(path) == [
        KnownCandidate({"units": 8}),
        KnownCandidate({"units": 16}, 2.0, "min"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("units: 8", "must be a list"),
        ("[]", "at least one"),
        ("[[8]]", "mapping of parameters"),
        ("- {units: [8]}", "plain values"),
        ("- {values: {units: 8}, score: good}", "must be a number"),
        ("- {values: {units: 8}, mode: up}", "max or min"),
        ("[}", "must be YAML or JSON"),
    ],
)
def test_other_lists_are_refused(tmp_path: Path, text: str, told: str) -> None:
    """Whatever is not a list of values is told in one line with the file."""
    path = tmp_path / "known.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=told) as caught:
        read_candidates(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_source_is_refused(tmp_path: Path) -> None:
    """The line says what may be given."""
    with pytest.raises(ConfigError, match="there must be a RayGen run, an Optuna storage"):
        read_candidates(tmp_path / "absent")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """A folder with neither a journal nor trials is no source."""
    with pytest.raises(ConfigError, match="no trial found"):
        read_candidates(tmp_path)


def test_candidates_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    """Foreign and inactive names are dropped; values out of a domain skip their candidate."""
    known = [
        KnownCandidate({"optimizer": "adamw", "units": 8, "seed": 1, "momentum": 0.5}, 0.5),
        KnownCandidate({"optimizer": "adamw", "units": 100}, 0.75),
        KnownCandidate({"optimizer": "adam", "units": 8}),
        KnownCandidate({"optimizer": "sgd", "units": 8}),
    ]

    found = fitting(SPACE, known)

    assert found.kept == (KnownCandidate({"optimizer": "adamw", "units": 8}, 0.5),)
    assert found.skipped == 3
    assert not fits(SPACE, known[0].values)


def test_numbers_are_clipped_only_if_told() -> None:
    """Out of a range they go to its nearest value, on a step; options are never changed."""
    known = [
        KnownCandidate({"optimizer": "sgd", "momentum": 0.99, "units": 100}),
        KnownCandidate({"optimizer": "sgd", "momentum": 0.62, "units": 11}),
        KnownCandidate({"optimizer": "adam", "units": 8}),
    ]

    found = fitting(SPACE, known, clip=True)

    assert [each.values for each in found.kept] == [
        {"optimizer": "sgd", "momentum": 0.9, "units": 64},
        {"optimizer": "sgd", "momentum": 0.6, "units": 8},
    ]
    assert found.skipped == 1


def test_clipping_keeps_types() -> None:
    """A whole number stays one, a real one is one, and a text is left alone."""
    assert clipped(Int(1, 4), 9) == 4
    assert isinstance(clipped(Int(1, 4), 2.6), int)
    assert clipped(Float(0.0, 1.0), 3) == 1.0
    assert clipped(Int(1, 4), "many") == "many"
