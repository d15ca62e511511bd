"""Which checkpoints stay as they are while their trial trains on?"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from raygen.execute.job import Message
from raygen.runs.links import link_folder
from raygen.runs.paths import TrialPaths
from raygen.runs.records import State

_MESSAGES = "messages.json"
_KEPT = 2
"""Milestones of a trial: a scheduler may know the one before the newest only."""


def pin(trial: TrialPaths, epoch: int) -> None:
    """Keep a trial's checkpoint of fold 0, which is of this epoch, and its predecessor.

    Another trial may go on from them.
    """
    _link_as_a_whole(trial.checkpoint(0), trial.milestone(epoch))
    for old in trial.milestones[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def keep(checkpoint: Path, epoch: int, most: int) -> None:
    """Keep a checkpoint, which is of this epoch, and at most so many with its predecessors."""
    trial = TrialPaths(checkpoint.parent)
    _link_as_a_whole(checkpoint, trial.kept(epoch))
    for old in trial.all_kept[:-most]:
        shutil.rmtree(old, ignore_errors=True)


def write_messages(checkpoint: Path, messages: Sequence[Message]) -> None:
    """Put all that a job has told up to a checkpoint beside its files."""
    text = json.dumps([asdict(each) for each in messages])
    (checkpoint / _MESSAGES).write_text(text, encoding="utf-8")


def read_messages(checkpoint: Path) -> list[Message]:
    """All that a job had told up to a checkpoint; empty where there is none."""
    file = checkpoint / _MESSAGES
    if not file.exists():
        return []
    messages = json.loads(file.read_text(encoding="utf-8"))
    return [Message(**fields | {"state": State(fields["state"])}) for fields in messages]


def _link_as_a_whole(checkpoint: Path, target: Path) -> None:
    """Give a checkpoint a second name, all or nothing.

    The files are shared: a save writes new ones, and nobody writes into old ones.
    """
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    link_folder(checkpoint, draft)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
