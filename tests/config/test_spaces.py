# ruff: noqa: E501 - each message stands on one line, as its reader sees it
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from raygen.config import (
    Choice,
    Condition,
    Experiment,
    Float,
    Int,
    Parameter,
    Space,
    list_spaces,
    load_experiment,
    load_space,
    space_of,
)
from raygen.errors import ConfigError

Write = Callable[..., Path]

TASK = "task: {name: ImageClassification, dataset: {name: digits}}\n"

FILE = """
description: A small network.
layers:
  - dense: {units: $width}
  - dropout: {rate: $rate}
training: {learning_rate: $lr, schedule: step}
parameters:
  width: {int: [16, 64], log: true}
  rate: {float: [0.0, 0.5], changes: training}
  momentum: {float: [0.5, 0.9], when: {optimizer: sgd}}
  lr: {float: [1e-4, 1e-1], log: true, changes: training}
  optimizer: {choice: [adamw, sgd]}
"""


def over(write: Write, model: str) -> Space:
    """Read the space of a config that sets something in the place of parts of FILE."""
    write(FILE, "small.yaml")
    config = f"{TASK}model:\n  space: small.yaml\n{model}"
    return space_of(load_experiment(write(config)), default="image/mlp")


def test_a_space_file(write: Write) -> None:
    """A file becomes a space, each condition's parent before those that depend on it."""
    space = load_space(write(FILE, "small.yaml"))

    assert (space.name, space.description) == ("small.yaml", "A small network.")
    assert space.layers == ({"dense": {"units": "$width"}}, {"dropout": {"rate": "$rate"}})
    assert space.training == {"learning_rate": "$lr", "schedule": "step"}
    assert space.parameters == (
        Parameter("width", Int(16, 64, log=True), "architecture"),
        Parameter("rate", Float(0.0, 0.5), "training"),
        Parameter("lr", Float(1e-4, 1e-1, log=True), "training"),
        Parameter("optimizer", Choice(("adamw", "sgd")), "training"),
        Parameter("momentum", Float(0.5, 0.9), "training", Condition("optimizer", ("sgd",))),
    )
    assert space.origin.where("layers[1].dropout") == "small.yaml:4: layers[1].dropout"


def test_shipped_spaces_are_listed_and_load() -> None:
    """Every listed space loads, and draws valid candidates."""
    names = list_spaces()
    rng = np.random.default_rng(0)

    assert all(name.count("/") == 1 for name in names)
    for name in names:
        space = load_space(name)
        space.validate(space.sample(rng))


def test_what_a_config_searches(write: Write) -> None:
    """A config searches its own layers, else its named space, else the default."""
    write(FILE, "small.yaml")
    own = load_experiment(write(TASK + "model: {layers: [{dense: {units: 8}}]}"))
    named = load_experiment(write(TASK + "model: {space: small.yaml}"))
    silent = load_experiment(write(TASK))

    assert space_of(own, default="none").layers == ({"dense": {"units": 8}},)
    assert space_of(named, default="none") == load_space("small.yaml")
    assert space_of(silent, default="small.yaml") == load_space("small.yaml")


def test_own_layers_are_told_by_their_line_in_the_config(write: Write) -> None:
    """The origin of a space written in the config counts its paths below `model`."""
    experiment = load_experiment(write(TASK + "model:\n  layers:\n    - dense: {units: 8}"))

    where = space_of(experiment, default="").origin.where("layers[0].dense.units")

    assert where == "config.yaml:4: model.layers[0].dense.units"


def test_a_space_file_may_lie_beside_the_config(write: Write, tmp_path: Path) -> None:
    """A relative space file is found in the current folder or in that of the config."""
    folder = tmp_path / "project"
    folder.mkdir()
    write(FILE, "project/small.yaml")
    config = write(TASK + "model: {space: small.yaml}", "project/config.yaml")

    assert space_of(load_experiment(config), default="").description == "A small network."


def test_a_config_narrows_a_parameter(write: Write) -> None:
    """A range in the config takes the place of the space's; its condition stays."""
    space = over(write, "  parameters: {momentum: {choice: [0.8, 0.9]}, width: 32}")
    parameters = {each.name: each for each in space.parameters}

    condition = Condition("optimizer", ("sgd",))
    expected = Parameter("momentum", Choice((0.8, 0.9)), "training", condition)
    assert parameters["momentum"] == expected
    assert parameters["width"].domain == Choice((32,))
    assert parameters["rate"].domain == Float(0.0, 0.5)


def test_a_config_fixes_a_tuned_setting(write: Write) -> None:
    """A fixed setting replaces a parameter; what depended on it goes on, or rests."""
    adamw = over(write, "  training: {optimizer: adamw}")
    sgd = over(write, "  training: {optimizer: sgd, learning_rate: 1e-2}")
    drawn = [space.sample(np.random.default_rng(0)) for space in (adamw, sgd)]

    assert [values["optimizer"] for values in drawn] == ["adamw", "sgd"]
    assert ["momentum" in values for values in drawn] == [False, True]
    assert sgd.training_settings(drawn[1])["learning_rate"] == 0.01
    assert "lr" not in drawn[1]


def test_a_config_takes_a_setting_over(write: Write) -> None:
    """A parameter in the config takes the place of a setting that the space fixes."""
    space = over(write, "  parameters: {schedule: {choice: [cosine, constant]}}")

    values = space.sample(np.random.default_rng(0))

    assert values["schedule"] in ("cosine", "constant")
    assert space.training == {"learning_rate": "$lr"}


def test_a_config_refers_where_the_space_tunes(write: Write) -> None:
    """A reference in the config replaces the parameter of the space named like the setting."""
    text = "  training: {momentum: $m}\n  parameters: {m: {float: [0.1, 0.2]}}"

    names = [each.name for each in over(write, text).parameters]

    assert sorted(names) == ["lr", "m", "optimizer", "rate", "width"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "  parameters: {widht: {int: [1, 2]}}",
            "config.yaml:4: model.parameters.widht: never used; it must stand as $widht in the layers or in `training`, or be the name of a training setting; did you mean `width`?",
        ),
        (
            "  training: {learning_rat: 0.1}",
            "config.yaml:4: model.training.learning_rat: unknown training setting; it must be one of optimizer, learning_rate, schedule, warmup_epochs, weight_decay, momentum, batch_size, label_smoothing, augmentation; did you mean `learning_rate`?",
        ),
        (
            "  training: {batch_size: $batch}",
            "config.yaml:4: model.training.batch_size: $batch is not defined; it must be one of the parameters width, rate, lr, optimizer, momentum; add `batch:` below `parameters:`",
        ),
    ],
)
def test_bad_changes_to_a_space(write: Write, model: str, message: str) -> None:
    """What a config sets in a named space is told by its line in the config."""
    with pytest.raises(ConfigError) as caught:
        over(write, model)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        (
            "convnt",
            "config.yaml:2: model.space: unknown space 'convnt'; a space must be one of ",
            "",
        ),
        ("image/mpl", "config.yaml:2: model.space: unknown space", "did you mean `image/mlp`?"),
        ("convnet", "config.yaml:2: model.space: unknown space", "did you mean `image/convnet`?"),
        ("../secrets", "config.yaml:2: model.space: unknown space '../secrets'", ""),
        ("gone.yaml", "config.yaml:2: model.space: 'gone.yaml' given", "there must be such a file"),
        (f"{'x' * 300}.yaml", "config.yaml:2: model.space: ", "there must be such a file"),
    ],
)
def test_unknown_spaces(write: Write, name: str, start: str, end: str) -> None:
    """A space that is not there is told with the known ones and the near miss."""
    experiment = load_experiment(write(f"{TASK}model: {{space: {name}}}"))

    with pytest.raises(ConfigError) as caught:
        space_of(experiment, default="")

    assert str(caught.value).startswith(start)
    assert str(caught.value).endswith(end)


LAYERS = "layers: [{dense: {units: $width}}]"


def parameters(text: str) -> str:
    """Give a sound space with a further parameter on line 4."""
    return f"{LAYERS}\nparameters:\n  width: {{int: [1, 8]}}\n  {text}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "layer: []",
            "s.yaml:1: layer: unknown key; it must be one of description, layers, training, parameters; did you mean `layers`?",
        ),
        (
            "description: x",
            "s.yaml: layers: missing; a space must have a list of layers",
        ),
        (
            "layers: []",
            "s.yaml:1: layers: [] given; a space must have a list of layers",
        ),
        (
            f"{LAYERS}\ntraining: 3",
            "s.yaml:2: training: 3 given; it must be a mapping of training settings",
        ),
        (
            f"{LAYERS}\ndescription: [x]\n",
            "s.yaml:2: description: ['x'] given; it must be a text",
        ),
        (
            LAYERS,
            "s.yaml:1: layers[0].dense.units: $width is not defined; it must be one of the parameters (none); add `width:` below `parameters:`",
        ),
        (
            f"{LAYERS}\nparameters: [3]",
            "s.yaml:2: parameters: [3] given; it must be a mapping of names to ranges; for example `width: {int: [16, 64]}`",
        ),
        (
            "layers:\n  - dense:\n      units: $widht\nparameters:\n  width: {int: [1, 8]}",
            "s.yaml:3: layers[0].dense.units: $widht is not defined; it must be one of the parameters width; did you mean `width`?",
        ),
        (
            "layers: [{dense: {units: $width + 1}}]\nparameters: {width: {int: [1, 8]}}",
            "s.yaml:1: layers[0].dense.units: '$width + 1' given; a text with `$` must be `$name` or `$name * number`",
        ),
        (
            "layers: [{a: $(rm -rf /)}]",
            "s.yaml:1: layers[0].a: '$(rm -rf /)' given; a text with `$` must be `$name` or `$name * number`",
        ),
        (
            "layers: [{a: {name: $kind * 2}}]\nparameters: {kind: {choice: [relu, gelu]}}",
            "s.yaml:1: layers[0].a.name: $kind * 2 given, where kind is a text; only a number can have a factor",
        ),
        (
            parameters("depth: {int: [1, 2]}"),
            "s.yaml:4: parameters.depth: never used; it must stand as $depth in the layers or in `training`, or be the name of a training setting; remove it",
        ),
        (
            parameters("dropout: {float: [0.5, 0.0]}"),
            "s.yaml:4: parameters.dropout.float: [0.5, 0.0] given; low <= high must hold; write [0.0, 0.5]",
        ),
        (
            parameters("d: {float: [0.0, 1.0], log: true}"),
            "s.yaml:4: parameters.d.float: log: true with [0.0, 1.0] given; low > 0 must hold on a log scale; raise low or leave out log",
        ),
        (
            parameters("d: {float: 0.5}"),
            "s.yaml:4: parameters.d.float: 0.5 given; it must be a list of two numbers, the lowest and the highest value; for example `[0.0, 0.5]`",
        ),
        (
            parameters("d: {float: [a, 1]}"),
            "s.yaml:4: parameters.d.float: 'a' given; both bounds must be finite numbers",
        ),
        (
            parameters("d: {int: [1.5, 3]}"),
            "s.yaml:4: parameters.d.int: 1.5 given; both bounds must be whole numbers",
        ),
        (
            parameters("d: {int: [true, 3]}"),
            "s.yaml:4: parameters.d.int: True given; both bounds must be whole numbers",
        ),
        (
            parameters("d: {int: [1, 3], step: 0}"),
            "s.yaml:4: parameters.d.int: step 0 given; step must be a whole number above 0",
        ),
        (
            parameters("d: {int: [1, 3], log: yes}"),
            "s.yaml:4: parameters.d.int: log: 'yes' given; log must be true or false",
        ),
        (
            parameters("d: {choice: relu}"),
            "s.yaml:4: parameters.d.choice: 'relu' given; it must be a list of options",
        ),
        (
            parameters("d: {choice: []}"),
            "s.yaml:4: parameters.d.choice: no options given; a choice must have at least one option",
        ),
        (
            parameters("d: {choice: [null]}"),
            "s.yaml:4: parameters.d.choice: option None given; an option must be a number, a text or a bool",
        ),
        (
            parameters("d: {choice: [1, 1]}"),
            "s.yaml:4: parameters.d.choice: option 1 given twice; options must differ from each other",
        ),
        (
            parameters("d: {choice: [1], log: true}"),
            "s.yaml:4: parameters.d.log: unknown key; it must be one of choice, changes, when, prior",
        ),
        (
            parameters("d: {flaot: [0, 1]}"),
            "s.yaml:4: parameters.d.flaot: unknown key; it must be one of float, int, choice, log, step, changes, when, prior; did you mean `float`?",
        ),
        (
            parameters("d: {int: [0, 1], float: [0, 1]}"),
            "s.yaml:4: parameters.d: float and int given; exactly one of float, int, choice must be given",
        ),
        (
            parameters("d: {changes: training}"),
            "s.yaml:4: parameters.d: no range given; exactly one of float, int, choice must be given; for example `{int: [1, 4]}` or `{choice: [relu, gelu]}`",
        ),
        (
            parameters("d: {int: [0, 1], changes: trainig}"),
            "s.yaml:4: parameters.d.changes: 'trainig' given; it must be one of architecture, training; did you mean `training`?",
        ),
        (
            parameters("'a b': {int: [0, 1]}"),
            's.yaml:4: parameters."a b": a name that cannot be used; the name of a parameter must be letters, digits and underscores, as in `$width`',
        ),
        (
            parameters("optimizer: {choice: [adam, rmsprop]}"),
            "s.yaml:4: parameters.optimizer.choice: ['adam', 'rmsprop'] given; optimizer must be one of adamw, adam, sgd",
        ),
        (
            parameters("batch_size: {float: [8, 64]}"),
            "s.yaml:4: parameters.batch_size.float: [8, 64] given; a range of batch_size must be of whole numbers; write `int:` in place of `float:`",
        ),
        (
            parameters("label_smoothing: {float: [0, 0.9]}"),
            "s.yaml:4: parameters.label_smoothing.float: [0, 0.9] given; label_smoothing must be a number from 0 to 0.5",
        ),
        (
            parameters("learning_rate: {float: [0, 0.9]}"),
            "s.yaml:4: parameters.learning_rate.float: [0, 0.9] given; learning_rate must be a number above 0",
        ),
        (
            f"{LAYERS}\ntraining: {{optimizer: adamm}}",
            "s.yaml:2: training.optimizer: 'adamm' given; it must be one of adamw, adam, sgd; did you mean `adam`?",
        ),
        (
            f"{LAYERS}\ntraining: {{batch_size: 0.5}}",
            "s.yaml:2: training.batch_size: 0.5 given; it must be a whole number of at least 1",
        ),
        (
            f"{LAYERS}\ntraining: {{momentum: true}}",
            "s.yaml:2: training.momentum: true given; it must be a number from 0 to 0.999",
        ),
        (
            parameters("momentum: {float: [0, 0.5]}") + "training: {momentum: 0.9}",
            "s.yaml:5: training.momentum: given twice; it must be given in `training` or in `parameters`, not in both; remove one",
        ),
        (
            parameters("share: {float: [0.0, 0.4]}") + "training: {label_smoothing: $share * 2}",
            "s.yaml:5: training.label_smoothing: $share is a number from 0.0 to 0.4 times 2; it must be a number from 0 to 0.5",
        ),
        (
            parameters(
                "momentum: {float: [0, 0.5], when: {optimzer: sgd}}\n  optimizer: {choice: [sgd]}"
            ),
            "s.yaml:4: parameters.momentum.when: the condition names `optimzer`; it must be another parameter, one of width, momentum, optimizer; did you mean `optimizer`?",
        ),
        (
            parameters("momentum: {float: [0, 0.5], when: {width: 9}}"),
            "s.yaml:4: parameters.momentum.when: `width` can never be 9; it must be a whole number from 1 to 8",
        ),
        (
            parameters(
                "momentum: {float: [0, 0.5], when: {dropout: 0}}\n  dropout: {float: [0, 1]}"
            ),
            "s.yaml:4: parameters.momentum.when: `dropout` is continuous; a condition must be on a choice, an int or a float with a step",
        ),
        (
            parameters(
                "momentum: {choice: [0.1], when: {optimizer: sgd}}\n  optimizer: {choice: [sgd], when: {momentum: 0.1}}"
            ),
            "s.yaml:4: parameters.momentum.when: the conditions of momentum, optimizer wait for each other; conditions must not form a circle; remove one `when`",
        ),
        (
            parameters("momentum: {choice: [0.1], when: {momentum: 0.1}}"),
            "s.yaml:4: parameters.momentum.when: the conditions of momentum wait for each other; conditions must not form a circle; remove one `when`",
        ),
        (
            parameters("momentum: {choice: [0.1], when: sgd}"),
            "s.yaml:4: parameters.momentum.when: 'sgd' given; it must be one parameter with the value or the values at which this one is active; for example `{optimizer: sgd}`",
        ),
        (
            parameters("momentum: {choice: [0.1], when: {width: []}}"),
            "s.yaml:4: parameters.momentum.when: width: [] given; it must be one parameter with the value or the values at which this one is active; for example `{optimizer: sgd}`",
        ),
    ],
)
def test_bad_spaces_get_one_line(write: Write, text: str, message: str) -> None:
    """What cannot be searched is told in one line, with the line of the file."""
    with pytest.raises(ConfigError) as caught:
        load_space(write(text, "s.yaml"))

    assert str(caught.value) == message


def test_the_same_errors_in_a_config(write: Write) -> None:
    """A space written in the config is checked when the config is loaded."""
    text = TASK + "model:\n  layers: [{dense: {units: $w}}]\n  parameters: {v: {int: [1, 2]}}\n"

    with pytest.raises(ConfigError) as caught:
        load_experiment(write(text))

    assert str(caught.value) == (
        "config.yaml:3: model.layers[0].dense.units: $w is not defined; it must be one of the "
        "parameters v; add `w:` below `parameters:`"
    )


def test_a_parent_is_used_by_its_condition(write: Write) -> None:
    """A parameter that only decides whether a used one is active counts as used."""
    text = parameters("kind: {choice: [a, b]}").replace(
        "{int: [1, 8]}", "{int: [1, 8], when: {kind: a}}"
    )

    assert [each.name for each in load_space(write(text, "s.yaml")).parameters] == ["kind", "width"]


def test_choices_of_numbers_may_be_powers(write: Write) -> None:
    """`[1e-3, 1e-2]` are options of a learning rate, not texts."""
    space = load_space(write(parameters("learning_rate: {choice: [1e-3, '1e-2']}"), "s.yaml"))

    assert space.parameters[1].domain == Choice((0.001, 0.01))


def test_experiments_made_in_python_have_a_space() -> None:
    """The Python API needs no file."""
    task = {"name": "ImageClassification", "dataset": {"name": "digits"}}
    experiment = Experiment.model_validate({"task": task, "model": {"layers": [{"flatten": {}}]}})

    assert space_of(experiment, default="").layers == ({"flatten": {}},)
