from __future__ import annotations

import os
from pathlib import Path

import pytest

from raygen.execute.pins import pin
from raygen.runs.links import link_folder
from raygen.runs.paths import TrialPaths


def checkpoint(folder: Path, text: str) -> TrialPaths:
    """The paths of a trial whose checkpoint of fold 0 holds a text."""
    paths = TrialPaths(folder)
    paths.checkpoint(0).mkdir(parents=True, exist_ok=True)
    (paths.checkpoint(0) / "weights.json").unlink(missing_ok=True)
    (paths.checkpoint(0) / "weights.json").write_text(text, encoding="utf-8")
    return paths


def test_a_pinned_checkpoint_takes_no_room_of_its_own(tmp_path: Path) -> None:
    """The files are the same ones as long as the trial has not saved again."""
    paths = checkpoint(tmp_path, "one")

    pin(paths, 3)

    assert (paths.milestone(3) / "weights.json").samefile(paths.checkpoint(0) / "weights.json")
    checkpoint(tmp_path, "two")
    assert (paths.milestone(3) / "weights.json").read_text() == "one"


def test_milestones_are_sorted_by_their_epochs(tmp_path: Path) -> None:
    """Of 9, 10 and 11 it is 9 that goes, and half-written ones are none."""
    paths = checkpoint(tmp_path, "one")
    (tmp_path / "milestone-12.77").mkdir()

    for epoch in (9, 10, 11):
        pin(paths, epoch)

    assert paths.milestones == [paths.milestone(10), paths.milestone(11)]


def test_a_file_system_without_links_gets_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content is what counts."""

    def no(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", no)
    paths = checkpoint(tmp_path, "one")

    link_folder(paths.checkpoint(0), tmp_path / "copy")

    assert (tmp_path / "copy" / "weights.json").read_text() == "one"
    assert not (tmp_path / "copy" / "weights.json").samefile(paths.checkpoint(0) / "weights.json")
