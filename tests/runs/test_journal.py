from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from raygen.errors import RunError
from raygen.runs.journal import Journal, read_events


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal lies: in a folder that is not there yet."""
    return tmp_path / "runs" / "digits" / "journal.jsonl"


def test_events_come_back_in_order(path: Path) -> None:
    """Each event is one line of JSON, on disk as soon as it is appended."""
    journal = Journal(path)
    returned = journal.append("trial", trial_id="00000", values={"units": 8, "名": "字\u2028\r\n"})
    journal.append("report", epoch=1)

    events = read_events(path)  # the file is still open for writing

    assert [event["event"] for event in events] == ["trial", "report"]
    assert events[0]["values"] == {"units": 8, "名": "字\u2028\r\n"}
    assert events[0] == returned
    assert path.read_bytes().count(b"\n") == 2
    assert events[0]["time"] <= events[1]["time"]


def test_an_absent_journal_has_no_events(path: Path) -> None:
    """Reading creates nothing."""
    assert read_events(path) == []
    assert not path.exists()


@pytest.mark.parametrize(
    "torn", [b'{"event": "rep', b"{", '{"event": "é'.encode()[:-1], b"\x00\x00"]
)
def test_a_torn_last_line_is_dropped(path: Path, torn: bytes) -> None:
    """What a kill has left behind is cut off when the journal is opened again, nothing else."""
    first = Journal(path)
    first.append("begin", metric="accuracy")
    first.close()
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert [event["event"] for event in read_events(path)] == ["begin"]

    again = Journal(path)
    again.append("searched", trials=3)

    assert path.read_bytes().startswith(whole)
    assert [event["event"] for event in read_events(path)] == ["begin", "searched"]


def test_opening_again_appends(path: Path) -> None:
    """A journal only ever grows."""
    for number in range(3):
        journal = Journal(path)
        journal.append("begin", number=number)
        journal.close()

    assert [event["number"] for event in read_events(path)] == [0, 1, 2]


def test_numbers_without_a_word_in_json_stand_as_text(path: Path) -> None:
    """Every line is JSON by the letter; other programs can read it."""
    metrics = {"a": math.nan, "b": [math.inf, -math.inf], "c": {"d": (math.nan, 1.5)}}

    returned = Journal(path).append("report", metrics=metrics)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    line = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert line["metrics"] == {"a": "nan", "b": ["inf", "-inf"], "c": {"d": ["nan", 1.5]}}
    assert returned == line


def test_numbers_come_back_exactly(path: Path) -> None:
    """A score that was written is the score that is read, to the last bit."""
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0]

    Journal(path).append("report", values=values)

    assert [v.hex() for v in read_events(path)[0]["values"]] == [v.hex() for v in values]


def test_a_garbled_line_is_told_in_one_line(path: Path) -> None:
    """A journal that was edited by hand, or a broken disk, gives no traceback."""
    journal = Journal(path)
    journal.append("begin", metric="accuracy")
    journal.close()
    with path.open("ab") as file:
        file.write(b"garbage\n{}\n")

    with pytest.raises(RunError, match=r"journal.jsonl:2: "):
        read_events(path)
