# ruff: noqa: E501 - each message stands on one line, as its reader sees it
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import yaml

from raygen.config import Experiment, dump_experiment, load_experiment, parse_experiment
from raygen.config.search_section import Search
from raygen.errors import ConfigError

ALGORITHMS = ", ".join(get_args(Search.model_fields["algorithm"].annotation))

Write = Callable[..., Path]

SMALL = """
task:
  name: ImageClassification
  dataset: {name: digits, train_split: train, test_split: test}
"""

WHOLE = """
name: clothes
seed: 7
framework: tensorflow                 # torch | tensorflow
task:
  name: ImageClassification
  dataset: {path: data/fashion_mnist.npz, image_size: 28}
  metric: accuracy
model:
  layers:
    - repeat: $depth
      of: [{dense: {units: $width * 2}}, {activation: {name: relu}}, {dropout: {rate: $dropout}}]
  training: {schedule: step, weight_decay: 1e-4}
  parameters:
    depth:   {int: [1, 4], changes: architecture}
    width:   {choice: [64, 128, 256], changes: architecture}
    dropout: {float: [0.0, 0.5], changes: training}
    learning_rate: {float: [1e-4, 1.0e-1], log: true, changes: training}
    optimizer: {choice: [adamw, sgd]}
    momentum: {float: [0.5, 0.9], step: 0.1, when: {optimizer: sgd}}
search: {algorithm: random, scheduler: fifo, trials: 40, max_epochs: 3, time_budget: 1.5h}
rank: {top: 5, folds: 4}
resources: {cpus_per_trial: 2, gpus_per_trial: 0.5, memory_gb_per_trial: 4, concurrent: 3}
output: out/best.py
"""


def refused(write: Write, text: str, *overrides: str) -> str:
    """Load a config that is refused, and give what is said."""
    with pytest.raises(ConfigError) as caught:
        load_experiment(write(text), overrides)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_three_lines_are_enough(write: Write) -> None:
    """A task alone is a config; all else has the documented default."""
    experiment = load_experiment(write(SMALL))

    assert experiment.name == "digits"
    assert (experiment.framework, experiment.seed, experiment.output) == ("torch", 0, "model.py")
    assert (experiment.search.trials, experiment.search.time_budget) == (20, 1800.0)
    assert (experiment.rank.top, experiment.rank.folds) == (3, 5)
    assert (experiment.resources.cpus_per_trial, experiment.resources.concurrent) == (1, "auto")
    assert experiment.origin.where("task.dataset.name") == "config.yaml:3: task.dataset.name"


def test_the_whole_language_is_read(write: Write) -> None:
    """Every key of the language lands in its field, with its type."""
    experiment = load_experiment(write(WHOLE))

    assert experiment.search.time_budget == 5400.0
    assert experiment.resources.memory_gb_per_trial == 4
    assert experiment.model.training == {"schedule": "step", "weight_decay": 1e-4}
    assert experiment.model.layers is not None
    assert experiment.model.layers[0]["of"][0] == {"dense": {"units": "$width * 2"}}


@pytest.mark.parametrize("text", [SMALL, WHOLE], ids=["small", "whole"])
def test_a_dump_is_complete_and_loads_back_equal(write: Write, text: str) -> None:
    """The written YAML holds every default, loads back equal, and is stable."""
    experiment = load_experiment(write(text))

    dumped = dump_experiment(experiment)

    assert load_experiment(write(dumped, "dumped.yaml")) == experiment
    assert dump_experiment(load_experiment("dumped.yaml")) == dumped
    assert {"name", "seed", "search", "rank", "resources"} <= yaml.safe_load(dumped).keys()
    assert "hang_timeout: 10m" in dumped


@pytest.mark.parametrize(
    "text",
    [
        "1e-3",
        "010",
        "no",
        "null",
        "~",
        "1:30",
        "2024-01-31",
        ".5",
        "nan",
        "0x1f",
        "1_000",
        "=",
        "<<",
        "'",
        '"',
        "清华",
        "-",
        "a: b",
        "# x",
        "- x",
        "{x",
        "tab\there",
        "two\nlines",
        "\x1b[31m",
        " x ",
    ],
)
def test_any_text_survives_a_dump(write: Write, text: str) -> None:
    """A text that looks like something else is still a text after a round trip."""
    dataset = {"path": "a.csv", "target": text, "ignore": [text]}
    experiment = parse_experiment({"task": {"name": "TabularRegression", "dataset": dataset}})

    loaded = load_experiment(write(dump_experiment(experiment)))

    assert loaded == experiment
    assert loaded.task.dataset.target == text


@pytest.mark.parametrize(
    ("budget", "seconds", "dumped"),
    [
        ("30m", 1800, "30m"),
        ("90s", 90, "90s"),
        ("2h", 7200, "2h"),
        ("1d", 86400, "24h"),
        ("0.5h", 1800, "30m"),
        ("45", 45, "45s"),
        ("1.5", 1.5, "1.5s"),
        ("1e2", 100, "100s"),
        ("null", None, "null"),
    ],
)
def test_durations(write: Write, budget: str, seconds: float | None, dumped: str) -> None:
    """Durations are read with a unit or as seconds, and written readably."""
    experiment = load_experiment(write(SMALL + f"search: {{time_budget: {budget}}}\n"))

    text = dump_experiment(experiment)

    assert experiment.search.time_budget == seconds
    assert f"time_budget: {dumped}\n" in text
    assert load_experiment(write(text)) == experiment


@pytest.mark.parametrize("given", ["1e-1", 1e-1, "1E-01"])
def test_powers_are_numbers_even_as_texts(given: object) -> None:
    """A `1e-1` that some other YAML reader left a text is accepted as a number."""
    task = {"name": "ImageClassification", "dataset": {"name": "digits"}}

    experiment = parse_experiment({"task": task, "resources": {"gpus_per_trial": given}})

    assert experiment.resources.gpus_per_trial == 0.1


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("{name: digits}", "digits"),
        ("{name: owner/some-set}", "some-set"),
        ("{path: data/fashion_mnist.npz}", "fashion_mnist"),
        ("{path: 'my data (1).csv'}", "my-data-1"),
        ("{path: 图像}", "图像"),
        ("{path: ..}", "run"),
    ],
)
def test_runs_are_named_by_their_data(write: Write, dataset: str, name: str) -> None:
    """Without a name, the run has that of its data set, fit for a folder."""
    text = f"task: {{name: ImageClassification, dataset: {dataset}}}"

    assert load_experiment(write(text)).name == name


def test_empty_sections_keep_their_defaults(write: Write) -> None:
    """`search:` with nothing below it is as if it were not there."""
    assert load_experiment(write(SMALL + "search:\nrank:\n")) == load_experiment(write(SMALL))


def test_overrides_replace_and_add(write: Write) -> None:
    """`--set` replaces a key, adds a section, and takes any YAML."""
    given = ["search.trials=8", "rank.folds = 3", "model.space=tabular/mlp", "seed=1", "seed=2"]
    given += ["model.parameters.depth={int: [1, 2]}", "task.dataset.test_split="]

    experiment = load_experiment(write(SMALL), given)

    assert (experiment.search.trials, experiment.rank.folds, experiment.seed) == (8, 3, 2)
    assert experiment.model.parameters == {"depth": {"int": (1, 2)}}
    assert experiment.task.dataset.test_split is None
    assert experiment.origin.where("search.trials") == "--set search.trials"


TRIALS = "it must be a whole number of at least 1; for example `trials: 20`"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "search.trials=x",
            f"--set search.trials: 'x' given; {TRIALS}",
        ),
        (
            "search.trials",
            "--set: 'search.trials' given; it must be KEY=VALUE, the key plain words joined by dots; for example `--set search.trials=8`",
        ),
        (
            "search.trails=8",
            f"--set search.trails: unknown key; it must be one of {', '.join(Search.model_fields)}; did you mean `trials`?",
        ),
        (
            "seed.x=1",
            "--set seed.x: `x` is asked for below 3; only a mapping has keys below it",
        ),
        (
            "seed=[",
            "--set seed: not YAML: expected the node content, but found '<stream end>'",
        ),
        (
            "seed=!!python/name:os.system ''",
            "--set seed: the tag 'tag:yaml.org,2002:python/name:os.system' given; only plain YAML is read; leave out the tag",
        ),
        (
            "rank={top: 1, folds: 1}",
            "--set rank: rank.folds: 1 given; it must be a whole number of at least 2; for example `folds: 5`",
        ),
    ],
)
def test_bad_overrides_are_told_as_such(write: Write, override: str, message: str) -> None:
    """An error in an override names `--set` and its key, not a line of the file."""
    assert refused(write, SMALL + "seed: 3\n", override) == message


DATASET = "name, path, target, image, train_split, test_split, image_size"
TOP = "name, seed, framework, task, model, search, rank, resources, environment, output, storage"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "serch: {trials: 3}",
            f"config.yaml:4: serch: unknown key; it must be one of {TOP}; did you mean `search`?",
        ),
        (
            "trials: 3",
            f"config.yaml:4: trials: unknown key; it must be one of {TOP}; write it as `search.trials`",
        ),
        (
            "search:\n  trials: 0",
            f"config.yaml:5: search.trials: 0 given; {TRIALS}",
        ),
        (
            "search: {trials: true}",
            f"config.yaml:4: search.trials: true given; {TRIALS}",
        ),
        (
            "search: {trials: 2.5}",
            f"config.yaml:4: search.trials: 2.5 given; {TRIALS}",
        ),
        (
            "search: {trials: '8'}",
            f"config.yaml:4: search.trials: '8' given; {TRIALS}",
        ),
        (
            "search: {algorithm: hyperop}",
            f"config.yaml:4: search.algorithm: 'hyperop' given; it must be one of {ALGORITHMS}; did you mean `hyperopt`?",
        ),
        (
            "search: {time_budget: soon}",
            "config.yaml:4: search.time_budget: 'soon' given; it must be a duration such as 30m, 90s or 2h, or a number of seconds above 0; for example `time_budget: 30m`",
        ),
        (
            "search: {time_budget: 0}",
            "config.yaml:4: search.time_budget: 0 given; it must be a duration such as 30m, 90s or 2h, or a number of seconds above 0; for example `time_budget: 30m`",
        ),
        (
            "resources: {gpus_per_trial: true}",
            "config.yaml:4: resources.gpus_per_trial: true given; it must be a number of at least 0; for example `gpus_per_trial: 0.0`",
        ),
        (
            "resources: {gpus_per_trial: 1.5}",
            "config.yaml:4: resources.gpus_per_trial: 1.5 given; above 1 it must be a whole number",
        ),
        (
            "resources: {gpus_per_trial: .nan}",
            "config.yaml:4: resources.gpus_per_trial: nan given; it must be a number of at least 0; for example `gpus_per_trial: 0.0`",
        ),
        (
            "resources: {concurrent: all}",
            "config.yaml:4: resources.concurrent: 'all' given; it must be auto or a whole number of at least 1; for example `concurrent: auto`",
        ),
        (
            "framework: pytorch",
            "config.yaml:4: framework: 'pytorch' given; it must be one of torch, tensorflow; did you mean `torch`?",
        ),
        (
            "rank: 5",
            "config.yaml:4: rank: 5 given; it must be a mapping with the keys top, folds, "
            "repeats, split, by, window, gap, method, choose, seeds, rope, ensemble, nested",
        ),
        (
            "name: ../../etc",
            "config.yaml:4: name: '../../etc' given; it must be at most 100 letters, digits, dots, dashes and underscores (a folder)",
        ),
        (
            "name: 2024",
            "config.yaml:4: name: 2024 given; it must be a text; quote it: '2024'",
        ),
        (
            "output: model.txt",
            "config.yaml:4: output: 'model.txt' given; it must end in .py",
        ),
        (
            "model: {space: image/mlp, layers: [{dense: {units: 3}}]}",
            "config.yaml:4: model.layers: space and layers given; one of them must be given; remove one",
        ),
        (
            "model: {layers: []}",
            "config.yaml:4: model.layers: [] given; a model must have at least one layer",
        ),
        (
            "model: {layers: relu}",
            "config.yaml:4: model.layers: 'relu' given; it must be a list of layers",
        ),
        (
            "model: {parameters: 3}",
            "config.yaml:4: model.parameters: 3 given; it must be a mapping",
        ),
        (
            "model:\n  parameters:\n    depth: {int: [4, 1]}",
            "config.yaml:6: model.parameters.depth.int: [4, 1] given; low <= high must hold; write [1, 4]",
        ),
    ],
)
def test_bad_input_gets_one_line(write: Write, text: str, message: str) -> None:
    """Bad input is told in one line: where, what was given, what must hold, what to type."""
    assert refused(write, SMALL.lstrip() + text) == message


TASK = "ImageClassification, TabularClassification, TabularRegression, TextClassification, Custom, "
TASK += "TokenClassification, CausalLM, InstructionTuning, Summarization, SpeechRecognition, "
TASK += "PreferenceTuning, Embedding"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "seed: 1",
            "config.yaml: task: missing; it must be a mapping with the keys name, dataset, objective, command, files, folder, metric, mode; for example `task: {name: ImageClassification, dataset: {name: digits}}`",
        ),
        (
            "task: {name: ImageClassification}",
            f"config.yaml:1: task.dataset: missing; it must be a mapping with the keys {DATASET}; for example `dataset: {{name: digits}}`",
        ),
        (
            "task: {name: ImageClasification, dataset: {name: digits}}",
            f"config.yaml:1: task.name: 'ImageClasification' given; it must be one of {TASK}; did you mean `ImageClassification`?",
        ),
        (
            "task: {name: ImageClassification, datset: {name: digits}}",
            "config.yaml:1: task.datset: unknown key; it must be one of name, dataset, objective, command, files, folder, metric, mode; did you mean `dataset`?",
        ),
        (
            "task: {name: ImageClassification, dataset: {train_split: train}}",
            "config.yaml:1: task.dataset: neither name nor path given; one of them must be given; for example `name: digits`",
        ),
        (
            "task: {name: ImageClassification, dataset: {name: digits, path: a.npz}}",
            "config.yaml:1: task.dataset.path: name and path given; one of them must be given; remove one",
        ),
        (
            "task: {name: TabularRegression, dataset: {path: a.csv, image_size: 8}}",
            "config.yaml:1: task.dataset.image_size: given for TabularRegression; only ImageClassification may have it; remove it",
        ),
        (
            "task: {name: TabularRegression, dataset: {path: a.csv, ignore: id}}",
            "config.yaml:1: task.dataset.ignore: 'id' given; it must be a list of column names",
        ),
        (
            "task: {name: TabularRegression, dataset: {path: a.csv, ignore: [3]}}",
            "config.yaml:1: task.dataset.ignore[0]: 3 given; it must be a list of column names",
        ),
        (
            "task:\n  name: !!python/object/new:os.system ['touch x']\n",
            "config.yaml:2: task.name: the tag 'tag:yaml.org,2002:python/object/new:os.system' given; only plain YAML is read; leave out the tag",
        ),
        (
            'task: {name: "\\e[31m\\nx", dataset: {name: digits}}',
            f"config.yaml:1: task.name: '\\x1b[31m\\nx' given; it must be one of {TASK}",
        ),
    ],
)
def test_bad_tasks_get_one_line(write: Write, text: str, message: str) -> None:
    """What is wrong with the task is told in one line."""
    assert refused(write, text) == message


def test_files_that_cannot_be_read(write: Write, tmp_path: Path) -> None:
    """A missing file, a folder and a file that is no text are told as such."""
    write(SMALL)
    Path("data.npz").write_bytes(b"PK\x03\x04\xff\xfe")
    told = []
    for path in ("missing.yaml", ".", "data.npz", "a\0b"):
        with pytest.raises(ConfigError) as caught:
            load_experiment(path)
        told.append(str(caught.value))

    assert told[:3] == [
        "missing.yaml: no such file; it must be a YAML file; "
        "`raygen init ImageClassification` writes one",
        ".: Is a directory; it must be a readable file",
        "data.npz: not a text; it must be YAML in UTF-8",
    ]
    assert "readable file" in told[3]


def test_experiments_are_frozen(write: Write) -> None:
    """An experiment cannot be changed after it has been checked."""
    experiment = load_experiment(write(SMALL))

    with pytest.raises(ValueError, match="frozen"):
        experiment.seed = 3  # type: ignore[misc]


def test_equality_is_of_what_is_said(write: Write) -> None:
    """The same words in another file, order or style make an equal experiment."""
    here = load_experiment(write(SMALL))
    there = Experiment.model_validate(yaml.safe_load(SMALL))

    assert here == there
    assert here != load_experiment("config.yaml", ["seed=1"])


def test_the_layer_is_light() -> None:
    """Reading a config imports neither a framework nor Ray, pandas or numpy."""
    heavy = (
        "{'ray', 'torch', 'tensorflow', 'keras', 'pandas', 'sklearn', 'pyarrow', 'numpy', 'rich'}"
    )
    code = f"import sys, raygen.config; print(*sorted({heavy} & sys.modules.keys()))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("\n", "")


@pytest.mark.parametrize(
    ("uri", "secret", "remedy"),
    [
        ("https://ann:hunter2@host/a.npz", "a password", "https://host/a.npz"),
        ("s3://b/a.npz?X-Amz-Signature=hunter2", "the parameter X-Amz-Signature", "s3://b/a.npz"),
        ("https://h/a.csv?v=1&sig=hunter2", "the parameter sig", "https://h/a.csv"),
        ("https://h/a.csv?access_token=hunter2", "the parameter access_token", "https://h/a.csv"),
    ],
)
@pytest.mark.parametrize("key", ["task.dataset.path", "storage"])
def test_a_uri_with_a_secret_is_refused_and_not_repeated(
    write: Write, uri: str, secret: str, remedy: str, key: str
) -> None:
    """A config, a program and a journal are read by many."""
    change = f"task.dataset={{path: '{uri}'}}" if "path" in key else f"storage='{uri}'"

    told = refused(write, SMALL, change)

    assert f"{key}: a URI with {secret} given; credentials must come from the environment" in told
    assert told.endswith(f"write {remedy}")
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "uri",
    [
        "abfs://container@account.dfs.core.windows.net/a.npz",
        "hdfs://ann@namenode:8020/a.npz",
        "https://host:8443/a.npz?download=1&design=2",
    ],
)
def test_a_uri_without_a_secret_names_the_run(write: Write, uri: str) -> None:
    """Users, ports and harmless parameters may stand in it."""
    experiment = load_experiment(write(SMALL), [f"task.dataset={{path: '{uri}'}}"])

    assert (experiment.task.rows.path, experiment.name) == (uri, "a")
