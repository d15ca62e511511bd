from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from raygen import cli
from raygen.config.load import load_experiment
from raygen.plan import plan_run

CONFIG = """task: {name: Custom, objective: train.py:train, metric: loss}
model:
  parameters: {lr: {float: [1e-4, 1e-1], log: true}, width: {choice: [16, 32]}}
"""
Command = Callable[..., tuple[object, str, str]]


@pytest.fixture
def raygen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command ``raygen``, typed where a run lies: its code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAYGEN_DEBUG", raising=False)
    (tmp_path / "train.py").write_text("def train(parameters):\n    return 1\n")
    (tmp_path / "runs/some").mkdir(parents=True)
    (tmp_path / "runs/some/config.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "runs/some/journal.jsonl").write_text("\n".join(journal()) + "\n")

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["raygen", *arguments])
        capsys.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        return code, *capsys.readouterr()

    return run


def journal() -> list[str]:
    """Two candidates with two seeds each; the second is the better one."""
    objectives = [{"name": "loss", "mode": "min"}]
    events: list[dict[str, object]] = [
        {"event": "begin", "time": 1.0, "metric": "loss", "objectives": objectives}
    ]
    for number, loss in enumerate((0.5, 0.7, 0.1, 0.3)):
        trial = {
            "event": "trial",
            "time": 2.0,
            "trial_id": f"{number:05d}",
            "values": {"lr": 0.01 if number < 2 else 0.001, "width": 16},
            "candidate": "aaaaaaaa" if number < 2 else "bbbbbbbb",
            "source_sha": "0" * 64,
            "num_parameters": 0,
            "repeat": number % 2,
        }
        end = {
            "event": "end",
            "time": 3.0,
            "trial_id": f"{number:05d}",
            "state": "finished",
            "epoch": 1,
            "metrics": {"epoch": 1, "loss": loss},
            "seconds": 1.0,
        }
        events += [trial, end]
    return [json.dumps(event) for event in events]


def test_a_run_with_repeats_is_a_table_of_candidates(raygen: Command) -> None:
    """One row for each, with the mean of its seeds."""
    code, out, _ = raygen("export", "runs/some")

    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [(row["n"], float(row["mean"]), row["lr"]) for row in rows] == [
        ("2", pytest.approx(0.6), "0.01"),
        ("2", pytest.approx(0.2), "0.001"),
    ]


def test_rows_may_be_trials(raygen: Command, tmp_path: Path) -> None:
    """When that is asked for; and a table may go into a file, and be LaTeX."""
    assert len(raygen("export", "runs/some", "--per", "trial")[1].splitlines()) == 5

    code, out, err = raygen("export", "runs/some", "--format", "latex", "--output", "table.tex")

    assert (code, out, err) == (0, "", "table.tex written\n")
    text = (tmp_path / "table.tex").read_text()
    assert text.startswith(r"\begin{tabular}")
    assert r"aaaaaaaa & 1 & 2 & 0.6" in text


def test_a_space_goes_to_configspace_and_back(raygen: Command, tmp_path: Path) -> None:
    """What comes back is a space file that a Custom task can name."""
    assert raygen("export", "runs/some", "--format", "configspace", "--output", "s.json")[0] == 0
    assert raygen("import", "s.json", "--output", "space.yaml")[0] == 0

    (tmp_path / "config.yaml").write_text(
        CONFIG.split("model:")[0] + "model: {space: space.yaml}\n", encoding="utf-8"
    )
    before = load_experiment("runs/some/config.yaml")
    after = plan_run("config.yaml").space
    assert [each.name for each in after.parameters] == list(before.model.parameters)
    assert [str(each.domain) for each in after.parameters] == ["0.0001 to 0.1 (log)", "16 | 32"]


def test_a_space_can_be_exported_from_a_config(raygen: Command, tmp_path: Path) -> None:
    """No run is needed for it."""
    (tmp_path / "c.yaml").write_text("task: {name: TabularRegression, dataset: {name: diabetes}}\n")

    told = json.loads(raygen("export", "c.yaml", "--format", "configspace")[1])

    assert "depth" in [each["name"] for each in told["hyperparameters"]]


def test_the_best_of_a_run_can_be_started_from(raygen: Command) -> None:
    """As lines for a config, the best first, each candidate once."""
    code, out, _ = raygen("import", "runs/some")

    assert code == 0
    assert yaml.safe_load(out) == {
        "search": {"start_from": [{"lr": 0.001, "width": 16}, {"lr": 0.01, "width": 16}]}
    }
    assert out.count("lr") == 2
    assert raygen("import", "runs/some", "--top", "1")[1].count("lr") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export", "nowhere"), "Error: nowhere: there is no run; type ls runs"),
        (("export", "runs/some", "--output", "no/where"), "Error: no/where: cannot be written"),
        (("import", "nothing.json"), "Error: known candidates: 'nothing.json' given"),
    ],
)
def test_what_cannot_be_read_or_written_is_told(
    raygen: Command, arguments: tuple[str, ...], said: str
) -> None:
    """In one line, with the exit code for a wrong input."""
    code, _, err = raygen(*arguments)

    assert code == 2
    assert err.startswith(said)
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("form", ["optuna", "configspace"])
def test_rows_of_what_has_none_are_refused(raygen: Command, form: str) -> None:
    """Rather than left out of account."""
    code, _, told = raygen("export", "run", "--per", "roc", "--format", form)

    assert code == 2
    assert told.startswith("Error: --per: roc given; only the tables csv and latex")


def test_an_optuna_study_can_be_made_and_read(raygen: Command) -> None:
    """A run becomes a study, which can be imported again."""
    pytest.importorskip("optuna")

    assert raygen("export", "runs/some", "--format", "optuna", "--output", "study.db")[0] == 0
    code, out, _ = raygen("import", "study.db", "--top", "1")

    assert code == 0
    assert yaml.safe_load(out)["search"]["start_from"] == [{"lr": 0.001, "width": 16}]
