"""Does a run go on from the copy of its folder, where nothing can be appended to?"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from raygen.errors import EnvironmentProblem, RunError
from raygen.runs import mirror
from raygen.runs.journal import Journal, read_events
from raygen.runs.mirror import Mirror


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a journal of three lines, the last one torn."""
    folder = tmp_path / "runs" / "digits"
    journal = Journal(folder / "journal.jsonl")
    journal.append("begin", metric="accuracy")
    journal.append("trial", trial_id="00000")
    journal.close()
    (folder / "config.yaml").write_text("seed: 0\n")
    (folder / "trials/00000/checkpoint-0").mkdir(parents=True)
    (folder / "trials/00000/model.py").write_text("EPOCHS = 3\n")
    (folder / "trials/00000/checkpoint-0/weights").write_text("large")
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
    """All but the checkpoints, and of the journal what is whole."""
    before = read_events(run / "journal.jsonl")
    copy(run, tmp_path / "store")
    shutil.rmtree(run)

    Mirror(run, f"file://{tmp_path / 'store'}").restore()

    assert read_events(run / "journal.jsonl") == before
    assert (run / "journal.jsonl").read_bytes().endswith(b"}\n")
    assert (run / "config.yaml").read_text() == "seed: 0\n"
    assert (run / "trials/00000/model.py").read_text() == "EPOCHS = 3\n"
    assert not (run / "trials/00000/checkpoint-0").exists()


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
        journal.append("report", epoch=1)
        deadline = time.monotonic() + 20
        while len(list(segments.iterdir())) == 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        journal.append("report", epoch=2)
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
        journal.append("report", epoch=epoch)
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
