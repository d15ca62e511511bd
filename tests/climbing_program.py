"""A model.py that trains nothing, but whose score depends on all that it was ever trained with."""

from __future__ import annotations

import ast
import hashlib
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stub_program import stub

from raygen.runs.journal import read_events
from raygen.runs.records import History
from raygen.source.candidate import Candidate, Source

EPOCHS = 6
"""Of a whole training."""

_TRAIN = """
def train(x, y, fold=None, report=print, resume=None, epochs=EPOCHS):
    state = json.loads((Path(resume) / "weights.json").read_text()) if resume else [0, 0.0]
    start, height = state
    print(f"fold {fold}: training from epoch {start} at {time.time():.3f}", flush=True)
    metrics = {}
    for epoch in range(start + 1, epochs + 1):
        rate = [new["learning_rate"] for first, new in SCHEDULE if first < epoch][-1]
        height = height / 2 + rate
        metrics = {"epoch": epoch, "accuracy": height}

        def save(folder):
            Path(folder, "weights.json").write_text(json.dumps([epoch, height]))

        BODY
        report(metrics, save)
    return "network", {}, metrics
"""


def climbing(body: str = "pass") -> Any:
    """What can stand in for ``render``; the body stands in each epoch, before the report.

    Each epoch adds the learning rate to half of the height so far: the order counts, too.
    """

    def render(
        _: Any, candidate: Candidate, *, changes: Sequence[tuple[int, Mapping[str, Any]]] = ()
    ) -> Source:
        schedule = [(0, dict(candidate.values)), *((each, dict(new)) for each, new in changes)]
        inner = textwrap.indent(textwrap.dedent(body), " " * 8).strip()
        before, _, rest = stub(epochs=EPOCHS).partition("def train(")
        after = rest[rest.index("\n\n\ndef ") :]
        text = f"{before}SCHEDULE = {schedule!r}\n\n{_TRAIN.replace('BODY', inner)}{after}"
        return Source(text)

    return render


def heights(schedule: Sequence[tuple[int, Mapping[str, Any]]], epochs: int) -> tuple[float, ...]:
    """The score after each epoch of a program that was trained from its beginning."""
    height, found = 0.0, []
    for epoch in range(1, epochs + 1):
        rate = [new["learning_rate"] for first, new in schedule if first < epoch][-1]
        height = height / 2 + rate
        found.append(height)
    return tuple(found)


def schedule_of(model: Path) -> list[tuple[int, Mapping[str, Any]]]:
    """The SCHEDULE that stands in a program."""
    [line] = [
        line for line in model.read_text(encoding="utf-8").splitlines() if "SCHEDULE = " in line
    ]
    found: list[tuple[int, Mapping[str, Any]]] = ast.literal_eval(line.partition(" = ")[2])
    return found


def check_sweep(folder: Path, *, trials: int) -> History:
    """Fail unless all that a finished search has journalled fits together; returns it.

    Every trial began and ended once, its epochs only ever grew, and the program in its folder,
    trained from its beginning, has the very scores that the journal says.
    """
    events = read_events(folder / "journal.jsonl")
    history = History.read(folder / "journal.jsonl")
    begun = [event["trial_id"] for event in events if event["event"] == "trial"]
    ended = [event["trial_id"] for event in events if event["event"] == "end"]
    assert begun == [f"{number:05d}" for number in range(trials)]
    assert sorted(ended) == begun
    moves = [(event["trial_id"], event["epoch"]) for event in events if event["event"] == "exploit"]
    assert len(moves) == len(set(moves)), "a move was made twice"
    check_epochs(events)
    for trial in history.trials.values():
        model = folder / "trials" / trial.trial_id / "model.py"
        assert hashlib.sha256(model.read_bytes()).hexdigest() == trial.source_sha
        schedule = schedule_of(model)
        assert schedule[1:] == list(trial.schedule)
        assert trial.curve == heights(schedule, len(trial.curve)), trial.trial_id
        kept = {path.name for path in model.parent.iterdir()}
        assert not any(name.startswith(("checkpoint", "milestone", "move")) for name in kept), kept
    return history


def check_epochs(events: Sequence[Mapping[str, Any]]) -> None:
    """Fail if a trial's step counter goes back, stands still or leaps ahead."""
    stands_at: dict[str, int] = {}
    for event in events:
        if event["event"] not in ("report", "end", "exploit") or "epoch" not in event:
            continue
        name, before = event["trial_id"], stands_at.get(event["trial_id"], 0)
        if event["event"] == "exploit":
            assert event["epoch"] >= before, event
        else:
            assert event["epoch"] == before + 1, event
        stands_at[name] = event["epoch"]
