"""Does a run go on from the copy of its folder, where nothing can be appended to?"""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from raygen.errors import EnvironmentProblem, RunError
from raygen.runs import mirror
from raygen.runs.journal import Journal, read_events
from raygen.runs.links import link_folder
from raygen.runs.mirror import Mirror

PROGRAM = "EPOCHS = 3\n"
SHA = hashlib.sha256(PROGRAM.encode()).hexdigest()


def append_trial(journal: Journal, trial_id: str) -> None:
    """Write down that a trial of the program was begun."""
    journal.append(
        "trial",
        trial_id=trial_id,
        values={"width": 1},
        candidate="c",
        source_sha=SHA,
        num_parameters=1,
    )


def move(journal: Journal, trial_id: str, *, parent: str, program: str) -> None:
    """Write down that a trial goes on from another one's second epoch."""
    moved = {"values": {}, "schedule": [], "metrics": {}, "seconds": 1.0}
    journal.append(
        "exploit", trial_id=trial_id, parent=parent, epoch=2, source_sha=program, **moved
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a journal of three lines, the last one torn."""
    folder = tmp_path / "runs" / "digits"
    journal = Journal(folder / "journal.jsonl")
    journal.append("begin", metric="accuracy")
    append_trial(journal, "00000")
    journal.close()
    (folder / "config.yaml").write_text("seed: 0\n")
    (folder / "trials/00000/checkpoint-0").mkdir(parents=True)
    (folder / "trials/00000/model.py").write_text(PROGRAM)
    (folder / "trials/00000/checkpoint-0/weights").write_text("of epoch 2")
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"event": "repo')
    return folder


def copy(run: Path, store: Path | str) -> None:
    """Copy what is new."""
    made = Mirror(run, store if isinstance(store, str) else f"file://{store}")
    made.restore()
    with made.copying(lambda line: pytest.fail(line)):
        pass


def test_a_run_comes_back_from_its_copy(run: Path, tmp_path: Path) -> None:
    """With the checkpoints of what is not over, and of the journal what is whole."""
    before = read_events(run / "journal.jsonl")
    copy(run, tmp_path / "store")
    shutil.rmtree(run)

    Mirror(run, f"file://{tmp_path / 'store'}").restore()

    assert read_events(run / "journal.jsonl") == before
    assert (run / "journal.jsonl").read_bytes().endswith(b"}\n")
    assert (run / "config.yaml").read_text() == "seed: 0\n"
    assert (run / "trials/00000/model.py").read_text() == "EPOCHS = 3\n"
    assert (run / "trials/00000/checkpoint-0/weights").read_text() == "of epoch 2"
    assert {path.name for path in (run / "trials/00000").iterdir()} == {"checkpoint-0", "model.py"}


def test_what_comes_later_is_a_segment_of_its_own(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent while the run goes on; nothing is sent twice, and nothing is written anew."""
    monkeypatch.setattr(mirror, "_EVERY_S", 0.05)
    segments = tmp_path / "store" / "digits" / "journal"
    copy(run, tmp_path / "store")
    [first] = segments.iterdir()
    stamp = first.stat().st_mtime_ns

    made = Mirror(run, f"file://{tmp_path / 'store'}")
    made.restore()
    with made.copying(lambda line: pytest.fail(line)):
        journal = Journal(run / "journal.jsonl")
        journal.append("refused", epoch=1)
        deadline = time.monotonic() + 20
        while len(list(segments.iterdir())) == 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        journal.append("refused", epoch=2)
        journal.close()

    assert len(list(segments.iterdir())) == 3
    assert first.stat().st_mtime_ns == stamp
    text = b"".join(path.read_bytes() for path in sorted(segments.iterdir()))
    assert text == (run / "journal.jsonl").read_bytes()


def test_a_missing_segment_ends_the_journal(run: Path, tmp_path: Path) -> None:
    """What follows a gap is not taken for what comes next."""
    copy(run, tmp_path / "store")
    for epoch in (1, 2):
        journal = Journal(run / "journal.jsonl")
        journal.append("refused", epoch=epoch)
        journal.close()
        copy(run, tmp_path / "store")
    segments = sorted((tmp_path / "store/digits/journal").iterdir())
    segments[1].unlink()
    shutil.rmtree(run)

    Mirror(run, f"file://{tmp_path / 'store'}").restore()

    assert [event["event"] for event in read_events(run / "journal.jsonl")] == ["begin", "trial"]


def test_another_run_of_that_name_is_refused(run: Path, tmp_path: Path) -> None:
    """Neither is a folder that is behind gone on with."""
    copy(run, tmp_path / "store")
    whole = (run / "journal.jsonl").read_bytes()
    (run / "journal.jsonl").write_bytes(whole[: whole.find(b"\n") + 1])
    with pytest.raises(RunError, match="it holds more of this run"):
        copy(run, tmp_path / "store")

    (run / "journal.jsonl").write_bytes(whole.replace(b"accuracy", b"rmse"))
    with pytest.raises(RunError, match="it holds another run of that name"):
        copy(run, tmp_path / "store")


@pytest.mark.parametrize("uri", ["nowhere://bucket", "file:///proc/store"])
def test_a_store_that_cannot_be_used_is_refused_in_one_line(run: Path, uri: str) -> None:
    """With its name."""
    with pytest.raises(EnvironmentProblem, match=r"storage: .*cannot be used") as caught:
        copy(run, uri)

    assert len(str(caught.value).splitlines()) == 1


def test_a_run_with_nothing_to_send_yet_is_refused_too(tmp_path: Path) -> None:
    """Else it would train for hours, and only say that its copy is behind; no trace is left."""
    new = tmp_path / "runs" / "digits"

    with pytest.raises(EnvironmentProblem, match=r"storage: .*cannot be used"):
        copy(new, "file:///proc/store")
    copy(new, tmp_path / "store")

    assert list((tmp_path / "store/digits").iterdir()) == []


def test_a_store_that_is_not_reached_is_one_line(run: Path) -> None:
    """Some ask it as soon as it is named."""
    with pytest.raises(EnvironmentProblem, match=r"storage: ftp://.*cannot be used") as caught:
        copy(run, "ftp://127.0.0.1:1/runs")

    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("method", ["exists", "put_file"])
def test_errors_of_a_store_s_own_are_one_line_too(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A lack of credentials, for one, is no error of the system in some of them."""

    def refuse(*_: object, **__: object) -> None:
        raise LookupError("Unable to locate credentials")

    monkeypatch.setattr(LocalFileSystem, method, refuse)

    with pytest.raises(EnvironmentProblem, match="cannot be used: Unable to locate credentials"):
        copy(run, tmp_path / "store")


def test_trouble_on_the_way_is_told_and_the_run_goes_on(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is behind is sent later."""
    said: list[str] = []
    made = Mirror(run, f"file://{tmp_path / 'store'}")
    with made.copying(said.append):
        shutil.rmtree(tmp_path / "store")
        (tmp_path / "store").write_text("in the way")
        (run / "leaderboard.json").write_text("{}")

    assert len(said) == 1
    assert "is behind" in said[0]


def test_what_is_over_has_no_checkpoint_there(run: Path, tmp_path: Path) -> None:
    """That of another fold stays; a checkpoint that is being replaced is not taken for gone."""
    trial, there = run / "trials/00000", tmp_path / "store/digits/checkpoints/00000"
    shutil.copytree(trial / "checkpoint-0", trial / "checkpoint-1")
    copy(run, tmp_path / "store")
    assert {path.stem for path in there.glob("*.json")} == {"checkpoint-0", "checkpoint-1"}

    (trial / "checkpoint-1").rename(trial / "checkpoint-1.old")
    shutil.rmtree(trial / "checkpoint-0")
    copy(run, tmp_path / "store")

    assert {path.name for path in there.iterdir()} == {"checkpoint-1.json", "checkpoint-1"}


def test_the_newest_takes_the_place_of_the_one_before(run: Path, tmp_path: Path) -> None:
    """What is as it was is not sent again, by another process neither."""
    there = tmp_path / "store/digits/checkpoints/00000/checkpoint-0"
    copy(run, tmp_path / "store")
    [first] = there.glob("*/weights")
    stamp = first.stat().st_mtime_ns
    copy(run, tmp_path / "store")
    assert [path.stat().st_mtime_ns for path in there.glob("*/weights")] == [stamp]

    replace(run / "trials/00000/checkpoint-0", "of epoch 3")
    copy(run, tmp_path / "store")

    assert [path.read_text() for path in there.glob("*/weights")] == ["of epoch 3"]


def test_half_a_checkpoint_is_none(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it sends, a run comes back with the one before; the half is removed later."""
    copy(run, tmp_path / "store")
    replace(run / "trials/00000/checkpoint-0", "of epoch 3")
    (run / "trials/00000/checkpoint-0/zz").write_text("the last file")
    sent: list[str] = []

    class Killed(BaseException):
        """Ends it in the middle, as SIGKILL would."""

    def put_file(self: object, path: str, target: str) -> None:
        if target.endswith("zz"):
            raise Killed
        sent.append(shutil.copyfile(path, target))

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "put_file", put_file)
        with pytest.raises(Killed):
            copy(run, tmp_path / "store")
    assert Path(sent[-1]).read_text() == "of epoch 3"
    kept = shutil.copytree(run, tmp_path / "kept")
    shutil.rmtree(run)

    Mirror(run, f"file://{tmp_path / 'store'}").restore()

    assert (run / "trials/00000/checkpoint-0/weights").read_text() == "of epoch 2"
    assert not (run / "trials/00000/checkpoint-0/zz").exists()
    shutil.rmtree(run)
    kept.rename(run)
    copy(run, tmp_path / "store")
    found = (tmp_path / "store/digits/checkpoints").rglob("weights")
    assert [path.read_text() for path in found] == ["of epoch 3"]


@pytest.mark.parametrize("damage", ["a file is gone", "a file is cut off", "the list is cut off"])
def test_a_damaged_checkpoint_is_left_there(run: Path, tmp_path: Path, damage: str) -> None:
    """Its trial begins at its first epoch, and the run comes back all the same."""
    copy(run, tmp_path / "store")
    there = tmp_path / "store/digits/checkpoints/00000"
    [weights] = there.rglob("weights")
    match damage:
        case "a file is gone":
            weights.unlink()
        case "a file is cut off":
            weights.write_text("of ep")
        case _:
            (there / "checkpoint-0.json").write_text('{"stamp": "1')
    shutil.rmtree(run)

    Mirror(run, f"file://{tmp_path / 'store'}").restore()

    assert (run / "journal.jsonl").exists()
    assert not (run / "trials/00000/checkpoint-0").exists()


def test_a_milestone_comes_back_and_is_sent_once(run: Path, tmp_path: Path) -> None:
    """It was the checkpoint; while either is kept, its files stay, and no longer."""
    trial, there = run / "trials/00000", tmp_path / "store/digits/checkpoints/00000"
    link_folder(trial / "checkpoint-0", trial / "milestone-2")
    (trial / "milestone-4.77").mkdir()  # half of one
    copy(run, tmp_path / "store")
    assert {path.stem for path in there.glob("*.json")} == {"checkpoint-0", "milestone-2"}
    assert [path.read_text() for path in there.rglob("weights")] == ["of epoch 2"]

    replace(trial / "checkpoint-0", "of epoch 3")
    copy(run, tmp_path / "store")
    shutil.rmtree(run)
    copy(run, tmp_path / "store")

    assert (trial / "milestone-2/weights").read_text() == "of epoch 2"
    assert (trial / "checkpoint-0/weights").read_text() == "of epoch 3"
    assert {path.name for path in trial.iterdir()} == {"checkpoint-0", "milestone-2", "model.py"}
    shutil.rmtree(trial / "milestone-2")
    copy(run, tmp_path / "store")
    assert [path.read_text() for path in there.rglob("weights")] == ["of epoch 3"]


def test_what_took_over_weights_comes_back_with_those(run: Path, tmp_path: Path) -> None:
    """If they are of the program that its parent had then, and none of its own came there."""
    trials, there = run / "trials", tmp_path / "store/digits/checkpoints"
    link_folder(trials / "00000/checkpoint-0", trials / "00000/milestone-2")
    journal = Journal(run / "journal.jsonl")
    for trial_id in ("00001", "00002"):
        append_trial(journal, trial_id)
        shutil.copytree(trials / "00000", trials / trial_id)
    move(journal, "00001", parent="00000", program="of 00001")
    move(journal, "00000", parent="00002", program="of 00000")
    journal.close()
    copy(run, tmp_path / "store")
    shutil.rmtree(run)

    Mirror(run, f"file://{tmp_path / 'store'}").restore()

    kept = {path.parent.relative_to(trials).as_posix() for path in trials.rglob("weights")}
    both = {"checkpoint-0", "milestone-2"}
    assert kept == {f"{trial}/{name}" for trial in ("00000", "00001", "00002") for name in both}
    assert (trials / "00001/checkpoint-0/weights").samefile(trials / "00001/milestone-2/weights")
    for file in there.glob("00000/milestone-2.json"):
        file.write_text(file.read_text().replace(SHA, "of 00000"))  # made anew since it moved
    shutil.rmtree(run)

    Mirror(run, f"file://{tmp_path / 'store'}").restore()

    assert not (trials / "00001/checkpoint-0").exists()
    assert (trials / "00002/checkpoint-0").exists()


@pytest.mark.parametrize("ending", ["over", "unknown", "another program"])
def test_a_checkpoint_that_is_of_no_use_is_not_brought(
    run: Path, tmp_path: Path, ending: str
) -> None:
    """Its trial is over by the journal, not in it, or has taken over another one's weights."""
    journal = Journal(run / "journal.jsonl")
    if ending == "over":
        journal.append("end", trial_id="00000", state="stopped")
    if ending == "another program":
        append_trial(journal, "00001")
        move(journal, "00000", parent="00001", program="s")
    journal.close()
    if ending == "unknown":
        (run / "trials/00000").rename(run / "trials/00009")
    copy(run, tmp_path / "store")
    assert list((tmp_path / "store/digits/checkpoints").rglob("weights"))
    shutil.rmtree(run)

    Mirror(run, f"file://{tmp_path / 'store'}").restore()

    assert not list(run.rglob("weights"))


def test_a_checkpoint_on_the_move_waits(run: Path, tmp_path: Path) -> None:
    """Between two programs nobody knows whose it is."""
    (run / "trials/00000/move-3").mkdir()

    copy(run, tmp_path / "store")

    assert not list((tmp_path / "store").rglob("weights"))


def test_a_checkpoint_that_is_replaced_while_it_is_sent_is_sent_as_it_was(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its files are of one epoch."""
    checkpoint = run / "trials/00000/checkpoint-0"
    (checkpoint / "optimizer").write_text("of epoch 2")
    real = LocalFileSystem.put_file

    def put_file(self: LocalFileSystem, path: str, target: str) -> None:
        if "/checkpoints/" in target:
            replace(checkpoint, "of epoch 3")
            (checkpoint / "optimizer").write_text("of epoch 3")
        real(self, path, target)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "put_file", put_file)
        copy(run, tmp_path / "store")
    shutil.rmtree(run)

    Mirror(run, f"file://{tmp_path / 'store'}").restore()

    assert {path.read_text() for path in checkpoint.iterdir()} == {"of epoch 2"}


def test_a_slow_store_gets_checkpoints_a_fifth_of_the_time(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a transfer of two seconds eight pass by, and the journal does not wait for either."""
    pauses: list[float] = []

    class Closing(threading.Event):
        """Notes how long the thread of the checkpoints waits; three times are enough."""

        def wait(self, timeout: float | None = None) -> bool:
            if threading.current_thread().name == "checkpoints":
                pauses.append(timeout or 0.0)
                return len(pauses) == 3
            return super().wait(timeout)

    moments = iter(range(0, 1000, 2))
    monkeypatch.setattr(mirror.threading, "Event", Closing)
    monkeypatch.setattr(mirror.time, "monotonic", lambda: float(next(moments)))
    monkeypatch.setattr(mirror, "_EVERY_S", 1.0)

    copy(run, tmp_path / "store")

    assert pauses == [1.0, 8.0, 8.0]


def replace(checkpoint: Path, content: str) -> None:
    """Put another checkpoint in its place, as a program's child does."""
    draft, old = checkpoint.with_name("checkpoint-0.77"), checkpoint.with_name("checkpoint-0.old")
    draft.mkdir()
    (draft / "weights").write_text(content)
    checkpoint.rename(old)
    draft.rename(checkpoint)
    shutil.rmtree(old)
