# ruff: noqa: E501 - each message stands on one line, as its reader sees it
from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from raygen import __version__, cli
from raygen.config.load import load_experiment
from raygen.errors import RunError
from raygen.tasks.task import TASKS

DIGITS = """task:
  name: ImageClassification
  dataset: {name: digits}
"""
LAYERS = DIGITS + "model:\n  layers:\n    - flatten\n"
TABLE = """task:
  name: TabularClassification
  dataset: {path: people.csv, target: TARGET}
"""


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: object
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def raygen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command ``raygen``, typed in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAYGEN_DEBUG", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["raygen", *arguments])
        capsys.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture
def refused(raygen: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """``raygen generate`` with a config that it must refuse; gives the one line that it says."""

    def started(*_: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("raygen.execute.session.session", started)

    def run(config: str | bytes, *flags: str) -> str:
        content = config.encode() if isinstance(config, str) else config
        Path("config.yaml").write_bytes(content)
        before = sorted(Path().rglob("*"))
        outcome = raygen("generate", "--config", "config.yaml", *flags)
        assert outcome.code == 2
        assert outcome.out == ""
        assert sorted(Path().rglob("*")) == before, "something was written"
        line, end = outcome.err[:-1], outcome.err[-1:]
        assert end == "\n"
        assert line.isprintable(), "it must be one line without control characters"
        assert line.startswith("Error: ")
        return line.removeprefix("Error: ")

    return run


def people(*rows: tuple[str, str], copies: int = 20) -> None:
    """Write people.csv with the columns age, label, part."""
    lines = [f"{i % 50},{label},{part}\n" for i in range(copies) for label, part in rows]
    Path("people.csv").write_text("age,label,part\n" + "".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("config", "starts", "holds"),
    [
        (DIGITS + "serach: {}\n", "config.yaml:4: serach: unknown key", "did you mean `search`?"),
        (DIGITS + "search: {trails: 3}\n", "config.yaml:4: search.trails: unknown key", "did you mean `trials`?"),
        (DIGITS + "search:\n  trials: many\n", "config.yaml:5: search.trials: 'many' given", "a whole number"),
        (DIGITS + "search: {trials: 0}\n", "config.yaml:4: search.trials: 0 given", "at least 1"),
        (DIGITS + "search: {trials: true}\n", "config.yaml:4: search.trials: true given", "a whole number"),
        (DIGITS + "rank: {folds: 1}\n", "config.yaml:4: rank.folds: 1 given", "at least 2"),
        (DIGITS + "rank: {nested: maybe}\n", "config.yaml:4: rank.nested: 'maybe' given", "for example `nested: false`"),
        (DIGITS + "rank: {rope: 1}\n", "config.yaml:4: rank.rope: 1 given", "accuracy lies between 0 and 1"),
        (DIGITS + "framework: jax\n", "config.yaml:4: framework: 'jax' given", "torch"),
        (LAYERS + "    - dense: {units: $w}\n  parameters:\n    w: {int: [64, 8]}\n", "config.yaml:9: model.parameters.w.int: [64, 8] given", "low <= high must hold; write [8, 64]"),
        (LAYERS + "    - dense: {units: $w}\n", "config.yaml:7: model.layers[1].dense.units: $w is not defined", "add `w:` below `parameters:`"),
        (LAYERS + "  parameters:\n    w: {int: [8, 64]}\n", "config.yaml:8: model.parameters.w: never used", "remove it"),
        (DIGITS + "model:\n  layers:\n" + "    - pool: {size: 2}\n" * 4, "config.yaml:9: model.layers[3].pool: pool of size 2 is given an image of 1x1x1", "use fewer pools"),
        (DIGITS + "model:\n  layers:\n    - repeat: $d\n      of: [{pool: {size: 2}}]\n  parameters:\n    d: {int: [1, 9]}\n", "config.yaml:7: model.layers[0]", "use fewer pools"),
        (DIGITS + "  metric: acuracy\n", "config.yaml:4: task.metric: ImageClassification has no metric 'acuracy'", "did you mean accuracy?"),
        (DIGITS + "  metric: rmse\n", "config.yaml:4: task.metric: ImageClassification has no metric 'rmse'", "accuracy"),
        (DIGITS + "model: {space: image/convnett}\n", "config.yaml:4: model.space: unknown space", "did you mean `image/convnet`?"),
        (DIGITS + "model: {space: ./mine.yaml}\n", "config.yaml:4: model.space", "there must be such a file"),
        (DIGITS + "name: !!python/object/apply:os.system ['touch pwned']\n", "config.yaml:4: name: the tag", "only plain YAML is read"),
        ("!!python/object/apply:os.mkdir [pwned]\n", "config.yaml:1: the tag", "only plain YAML is read"),
        (LAYERS + "    - 'nn.Linear(1, 1)); import os; os.mkdir(\"pwned\") #': {}\n", "config.yaml:7: model.layers[1]", "there is no layer"),
        (LAYERS + "    - dense: {units: '__import__(\"os\").mkdir(\"pwned\")'}\n", "config.yaml:7: model.layers[1].dense.units", "must be a whole number"),
        (LAYERS + "    - activation: {name: \"relu'); import os #\"}\n", "config.yaml:7: model.layers[1].activation.name", "must be one of relu"),
        (LAYERS + "    - activation: {name: $a}\n  parameters:\n    a: {choice: [relu, 'x\"\"\"\\n']}\n", "config.yaml:7: model.layers[1].activation.name", "must be one of relu"),
        (DIGITS + "name: ../../escape\n", "config.yaml:4: name: '../../escape' given", ""),
        (DIGITS + "output: nowhere/model.py\n", "config.yaml:4: output: there is no folder nowhere", "type mkdir -p nowhere"),
        (DIGITS + "resources: {cpus_per_trial: 4096}\n", "config.yaml:4: resources.cpus_per_trial: a trial wants 4096 CPUs", "--set resources.cpus_per_trial="),
        (DIGITS + "resources: {gpus_per_trial: 99}\n", "config.yaml:4: resources.gpus_per_trial: a trial wants 99 GPUs", "this machine has"),
        (DIGITS + "search: {trials: 3, trials: 4}\n", "config.yaml:4: search.trials", "twice"),
        (DIGITS.replace("digits", "digtis"), "config.yaml:3: task.dataset.name", "did you mean"),
        (DIGITS.replace("Image", "Img"), "config.yaml:2: task.name: 'ImgClassification' given", "did you mean `ImageClassification`?"),
        ("", "config.yaml: empty", "key: value"),
        ("- a\n", "config.yaml: a list given", "key: value"),
        ("a: [\n", "config.yaml:2: not YAML", ""),
        (bytes(range(256)), "config.yaml: not a text", "UTF-8"),
        ("task: 1".encode("utf-16"), "config.yaml: not a text", "UTF-8"),
        (DIGITS.replace("digits", "\x1b[31m"), "config.yaml", ""),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_is_refused_in_one_line(
    refused: Callable[..., str], config: str | bytes, starts: str, holds: str
) -> None:
    """File, line and key, what was given, what must hold; nothing is written."""
    said = refused(config)

    assert said.startswith(starts)
    assert holds in said


def test_a_missing_data_file_is_named(refused: Callable[..., str]) -> None:
    """A path that leads nowhere is told with the folder it counts from."""
    said = refused(TABLE)

    assert said.startswith("config.yaml:3: task.dataset.path: no such file: people.csv")


@pytest.mark.parametrize(
    ("config", "rows", "starts", "holds"),
    [
        (TABLE.replace("TARGET", "Label"), [("a", "x"), ("b", "x")], "config.yaml:3: task.dataset.target: there is no column 'Label'", "did you mean 'label'?"),
        (TABLE.replace("TARGET", "label, train_split: nope"), [("a", "x"), ("b", "x")], "config.yaml:3: task.dataset.train_split", ""),
        (TABLE.replace("TARGET", "label"), [("a", "x")], "config.yaml:3: task.dataset.path: all 16 training rows are of class 'a'", "at least two classes"),
        (TABLE.replace("TARGET", "label") + "rank: {folds: 20}\n", [("a", "x")] * 9 + [("b", "x")], "config.yaml:4: rank.folds: class 'b' has 16 training rows", ""),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_learnt_from_is_refused(
    refused: Callable[..., str], config: str, rows: list[tuple[str, str]], starts: str, holds: str
) -> None:
    """A missing column, an empty split, one class, too few rows of a class: before anything runs."""
    people(*rows)

    said = refused(config)

    assert said.startswith(starts)
    assert holds in said


def test_an_empty_split_is_told_with_the_splits_there_are(refused: Callable[..., str]) -> None:
    """A split that no row belongs to is a slip of the pen."""
    people(("a", "train"), ("b", "test"))
    renamed = Path("people.csv").read_text(encoding="utf-8").replace("part", "split")
    Path("people.csv").write_text(renamed, encoding="utf-8")
    splits = "label, train_split: trian, test_split: test"

    said = refused(TABLE.replace("TARGET", splits))

    assert said.startswith("config.yaml:3: task.dataset.train_split: split 'trian' has no rows")
    assert "did you mean 'train'?" in said


@pytest.mark.parametrize(
    ("flags", "starts"),
    [
        (["--set", "search.trails=3"], "--set search.trails: unknown key"),
        (["--set", "search.trials=many"], "--set search.trials: 'many' given"),
        (["--set", "search.trials"], "--set: 'search.trials' given; it must be KEY=VALUE"),
        (["--set", "search.trials=["], "--set search.trials: not YAML"),
        (["--output", "."], "--output: . is a folder"),
        (["--output", "nowhere/model.py"], "--output: there is no folder nowhere"),
        (["--output", "/proc/model.py"], "--output: /proc/model.py cannot be written"),
        (["--run-dir", "config.yaml"], "config.yaml: cannot be written"),
        (["--run-dir", "/proc/run"], "/proc/run: cannot be written"),
    ],
)
def test_a_flag_that_cannot_be_is_refused_in_one_line(
    refused: Callable[..., str], flags: list[str], starts: str
) -> None:
    """A flag is told by its name."""
    assert refused(DIGITS, *flags).startswith(starts)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_is_refused(refused: Callable[..., str]) -> None:
    """The user's own write protection is respected."""
    Path("model.py").touch(mode=stat.S_IRUSR)

    assert refused(DIGITS).startswith("config.yaml: output: model.py cannot be written")


def test_a_config_file_that_cannot_be_read_is_told(raygen: Command) -> None:
    """Neither a missing file nor a folder gives a traceback."""
    missing, folder = raygen("check", "config.yaml"), raygen("check", ".")

    assert (missing.code, folder.code) == (2, 2)
    assert missing.err.startswith("Error: config.yaml: no such file")
    assert folder.err.startswith("Error: .: Is a directory")
    assert missing.err.count("\n") == folder.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["generate"],
        ["generate", "--config"],
        ["generate", "--config", "config.yaml", "--frobnicate"],
        ["generate", "config.yaml", "other.yaml"],
        ["check"],
        ["show"],
        ["rank"],
        ["rank", "run", "--folds", "few"],
        ["init"],
    ],
)
def test_a_wrong_command_line_ends_with_2(raygen: Command, arguments: list[str]) -> None:
    """Usage errors are one line with the exit code of bad input; nothing on standard output."""
    outcome = raygen(*arguments)

    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("Error: ")
    assert outcome.err.count("\n") == 1


def test_ctrl_c_while_nothing_runs_says_so(
    raygen: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One word, and the exit code that shells know."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("raygen.plan.plan_run", interrupted)

    outcome = raygen("check", "config.yaml")

    assert (outcome.code, outcome.err) == (130, "interrupted\n")


@pytest.mark.parametrize("verb", ["show", "rank"])
def test_a_run_that_is_not_there_is_told(raygen: Command, verb: str) -> None:
    """One line, whether the folder is missing or holds something else."""
    for place in ("runs/none", "."):
        outcome = raygen(verb, place)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith(f"Error: {place}: there is no run")


@pytest.mark.parametrize("task", sorted(TASKS))
def test_init_writes_a_config_that_loads(raygen: Command, task: str) -> None:
    """The starter config of every task is valid YAML of our language, and is never overwritten."""
    written, again = raygen("init", task), raygen("init", task)

    assert written.code == 0
    assert load_experiment("config.yaml").task.name == task
    assert again.code == 2
    assert again.err.startswith("Error: config.yaml: cannot be written: File exists")


def test_init_then_check_of_the_bundled_data(raygen: Command) -> None:
    """The starter config of images can be run as it is."""
    raygen("init", "ImageClassification")

    outcome = raygen("check", "config.yaml")

    assert outcome.code == 0
    assert outcome.err.startswith("config.yaml is fine: ")


def test_init_of_an_unknown_task_names_the_known_ones(raygen: Command) -> None:
    """A slip in the task's name writes nothing."""
    outcome = raygen("init", "ImageClasification")

    assert outcome.code == 2
    assert "ImageClassification" in outcome.err
    assert not Path("config.yaml").exists()


def test_check_prints_the_complete_config(raygen: Command) -> None:
    """Standard output is YAML that means the same; what is said to people goes to standard error."""
    Path("config.yaml").write_text(DIGITS, encoding="utf-8")

    outcome = raygen("check", "config.yaml", "--set", "search.trials=7")

    assert outcome.code == 0
    assert "1437 training and 360 test rows, 10 classes" in outcome.err
    Path("complete.yaml").write_text(outcome.out, encoding="utf-8")
    assert load_experiment("complete.yaml").search.trials == 7
    assert raygen("check", "complete.yaml").out == outcome.out
    assert not Path("runs").exists()


@pytest.mark.parametrize("verb", ["check", "search", "finetune"])
def test_rows_without_a_target_are_told(
    raygen: Command, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """When a config is checked, and before anything is trained."""
    people(("yes", "train"), ("no", "train"), ("", "train"))
    told = "search: {}" if verb == "search" else "model: {layers: [{dense: 8}, activation]}"
    config = f"task: {{name: TabularClassification, dataset: {{path: people.csv}}}}\n{told}\n"
    Path("config.yaml").write_text(config, encoding="utf-8")

    def started(*_: object, **__: object) -> None:
        raise RunError("stopped here")

    monkeypatch.setattr("raygen.pipeline.run_steps", started)
    flag = ["--config"] if verb == "search" else []

    outcome = raygen(verb, *flag, "config.yaml")

    assert "20 of 60 rows have no label and are left out" in outcome.err
    assert outcome.code == (0 if verb == "check" else 2)


def test_show_json_is_the_leaderboard_on_one_line(raygen: Command) -> None:
    """What machines read is what the file holds, with nothing around it."""
    board = {
        "name": "手写",
        "metric": "accuracy",
        "mode": "max",
        "entries": [],
        "test": {"accuracy": 0.5},
    }
    Path("run").mkdir()
    Path("run/leaderboard.json").write_text(json.dumps(board), encoding="utf-8")

    outcome = raygen("show", "run", "--json")

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.count("\n") == 1
    assert json.loads(outcome.out) == board
    assert "手写" in outcome.out


_ODD_BOARD = '{"name": "a", "metric": "b", "mode": "max", "test": {}, "entries": [{"rank": 1}]}'


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"entries": []}', _ODD_BOARD])
def test_a_damaged_leaderboard_is_one_line(raygen: Command, text: str) -> None:
    """With what writes it anew."""
    Path("run").mkdir()
    Path("run/leaderboard.json").write_text(text)

    for words in (["show", "run"], ["show", "run", "--json"]):
        outcome = raygen(*words)
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert outcome.err.startswith("Error: run/leaderboard.json: cannot be read, for it is")


def test_a_file_gets_long_lines_without_blanks_at_their_ends(raygen: Command) -> None:
    """Nothing is cut off for a screen that is not there."""
    values = {f"parameter_{number}": number for number in range(20)}
    entry = {"rank": 1, "trial_id": "00000", "candidate": values, "mean": 0.5, "std": 0.1}
    entry |= {"folds": [0.4, 0.6], "num_parameters": 10, "seconds": 1.0}
    other = entry | {"rank": 2, "candidate": {name: 0 for name in values}}
    board = {"name": "some", "metric": "accuracy", "mode": "max", "entries": [entry, other]}
    Path("run").mkdir()
    Path("run/leaderboard.json").write_text(json.dumps(board | {"test": {}}))

    lines = raygen("show", "run").out.splitlines()

    assert [line for line in lines if line != line.rstrip()] == []
    assert max(map(len, lines)) > 80
    assert not any("…" in line for line in lines)


def test_who_names_no_run_hears_which_was_meant(raygen: Command) -> None:
    """By its name alone, by a folder in it; and that a run on a cluster is not here yet."""
    Path("runs/digits/trials").mkdir(parents=True)
    Path("runs/digits/journal.jsonl").touch()
    Path("runs/far/launch").mkdir(parents=True)
    Path("runs/far/launch/ticket.json").touch()

    for place in ("digits", "runs/digits/trials"):
        assert raygen("show", place).err.endswith("there is no run; did you mean runs/digits?\n")
    for verb in ("show", "rank", "export"):
        told = "it was submitted to a cluster; type raygen status runs/far"
        assert told in raygen(verb, "runs/far").err


def test_a_run_without_its_config_is_told(raygen: Command) -> None:
    """It is there, though nobody knows of what it is."""
    Path("run").mkdir()
    Path("run/journal.jsonl").write_text('{"event": "begin", "metric": "accuracy"}\n')

    outcome = raygen("rank", "run")

    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert outcome.err.startswith("Error: run/config.yaml: it is not there any more")


def test_show_of_a_run_without_trials_says_so(raygen: Command) -> None:
    """A run that has just begun is not mistaken for none."""
    Path("run").mkdir()
    Path("run/journal.jsonl").touch()

    outcome = raygen("show", "run")

    assert outcome.code == 2
    assert outcome.err == "Error: run: no trial has begun yet; wait for the first\n"


def test_schema_is_json_schema(raygen: Command) -> None:
    """Editors can read it, and it knows the sections of the YAML."""
    schema = json.loads(raygen("schema").out)

    assert {"task", "model", "search", "rank", "resources"} <= schema["properties"].keys()


def test_spaces_lists_and_tells(raygen: Command) -> None:
    """Every shipped space has a line; with a name, each parameter has one."""
    listed, told = raygen("spaces"), raygen("spaces", "image/convnet")
    slip = raygen("spaces", "image/convnett")

    assert "image/convnet" in listed.out
    assert "text/transformer" in listed.out
    assert "learning_rate" in told.out
    assert "when" in told.out
    assert slip.code == 2
    assert slip.err.count("\n") == 1


def test_version_and_help(raygen: Command) -> None:
    """Both answer on standard output and end well."""
    assert raygen("--version").out == f"raygen {__version__}\n"
    assert "generate" in raygen("--help").out
    assert raygen() == raygen("--help")


def test_doctor_speaks_in_lines(raygen: Command) -> None:
    """It finds on this machine what the tests run with."""
    outcome = raygen("doctor")

    assert outcome.code == 0
    assert any(line.startswith("ok  ray ") for line in outcome.out.splitlines())


def test_a_full_disk_is_told_in_one_line(raygen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in mid-run without a fault of the config gives no traceback either."""
    Path("config.yaml").write_text(DIGITS, encoding="utf-8")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "runs/digits/journal.jsonl")

    monkeypatch.setattr("raygen.pipeline.run_steps", full)

    outcome = raygen("generate", "--config", "config.yaml")

    assert outcome.code == 1
    assert outcome.err.startswith("Error: runs/digits/journal.jsonl: No space left on device; ")
    assert outcome.err.count("\n") == 1


def test_debug_shows_the_traceback(raygen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever mends RayGen can ask for more than the one line."""
    monkeypatch.setenv("RAYGEN_DEBUG", "1")

    with pytest.raises(Exception, match="no such file"):
        raygen("check", "config.yaml")


@pytest.mark.parametrize("verb", ["generate", "search", "check", "finetune"])
def test_a_config_is_named_once(verb: str, raygen: Command) -> None:
    """Alone or after --config; without one, or with two, a line says so."""
    for words, starts in (
        (["none.yaml"], "Error: none.yaml: no such file"),
        (["--config", "none.yaml"], "Error: none.yaml: no such file"),
        ([], "Error: --config: no config given; one YAML file must be given"),
        (["a.yaml", "--config", "b.yaml"], "Error: --config: b.yaml and a.yaml given"),
    ):
        outcome = raygen(verb, *words)
        assert outcome.code == 2
        assert outcome.err.startswith(starts), outcome.err
