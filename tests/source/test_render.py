"""Is the rendered text a good, standalone program, whatever stands in the YAML?"""

from __future__ import annotations

import ast
import difflib
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blueprints import SPECS, blueprint, load_program

from raygen.config.domain import Choice
from raygen.config.space import Parameter, Space
from raygen.config.spaces import list_spaces
from raygen.source.candidate import Candidate
from raygen.source.frameworks import FRAMEWORKS
from raygen.source.render import Blueprint, render

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
_TRAINING = {
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "weight_decay": 0.01,
    "batch_size": 64,
    "label_smoothing": 0.05,
}
_CONVNET = {
    "stages": 2,
    "block": "separable",
    "filters": 16,
    "kernel": 3,
    "activation": "relu",
    "ending": "pooled",
    "dropout": 0.2,
    "augmentation": "shift",
}
_MLP = {"depth": 2, "width": 64, "norm": "batch", "activation": "silu", "dropout": 0.1}
_RESNET = {"depth": 2, "width": 32, "dropout": 0.1, "residual_dropout": 0.05}
_TRANSFORMER = {"depth": 1, "width": 64, "heads": 4, "pool": "avg", "dropout": 0.1}
_TEXTCNN = {"width": 64, "filters": 32, "word_dropout": 0.2, "dropout": 0.4}
_SGD = {"optimizer": "sgd", "momentum": 0.9, "schedule": "step"}
FILES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "torch_digits_convnet.py": ("digits", "image/convnet", "torch", _CONVNET),
    "keras_digits_convnet.py": ("digits", "image/convnet", "tensorflow", _CONVNET),
    "torch_people_mlp.py": ("people", "tabular/mlp", "torch", _MLP | _SGD),
    "torch_citizens_mlp.py": ("citizens", "tabular/mlp", "torch", _MLP | _SGD),
    "keras_wages_resnet.py": ("wages", "tabular/resnet", "tensorflow", _RESNET | _SGD),
    "torch_news_transformer.py": ("news", "text/transformer", "torch", _TRANSFORMER),
    "keras_news_textcnn.py": ("news", "text/textcnn", "tensorflow", _TEXTCNN),
}


def _render(file: str) -> str:
    name, space, framework, values = FILES[file]
    return render(blueprint(name, space, framework), Candidate(_TRAINING | values)).text


@pytest.mark.parametrize("file", FILES)
def test_text_is_that_of_the_golden_file(file: str) -> None:
    """What is rendered is what was reviewed; RAYGEN_GOLDEN=1 writes it anew for a review."""
    path, text = GOLDEN / file, _render(file)
    if os.environ.get("RAYGEN_GOLDEN"):
        path.write_text(text, encoding="utf-8")

    expected = path.read_text(encoding="utf-8")

    difference = difflib.unified_diff(expected.splitlines(), text.splitlines(), file, "rendered")
    assert text == expected, "\n".join(difference)


def test_golden_files_are_as_a_linter_wants_them() -> None:
    """Rendered files have sorted imports, no unused names, and the layout of a formatter."""
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length", "100", "--target-version", "py310"]
    files = [str(GOLDEN / file) for file in FILES]
    rules = "E,W,F,I,B,UP,SIM,RET"

    checked, formatted = (
        subprocess.run([*ruff, *command, *options, *files], capture_output=True, text=True)
        for command in (["check", "--select", rules], ["format", "--diff"])
    )

    assert checked.returncode == 0, checked.stdout
    assert formatted.returncode == 0, formatted.stdout


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("space", list_spaces())
def test_every_space_is_rendered_as_a_linter_wants_it(
    space: str, framework: str, tmp_path: Path
) -> None:
    """Whatever the values, the rendered file has no finding and is formatted."""
    kind = space.split("/")[0]
    names = {"image": ["digits", "photos"], "tabular": ["people", "wages"], "text": ["news"]}[kind]
    for number in range(4):
        plan = blueprint(names[number % len(names)], space, framework)
        values = plan.space.sample(np.random.default_rng(number))
        path = tmp_path / f"model_{number}.py"
        path.write_text(render(plan, Candidate(values)).text, encoding="utf-8")
    options = ["--isolated", "--line-length", "100", "--target-version", "py310", str(tmp_path)]

    for command in (["check", "--select", "E,W,F,I,B,UP,SIM,RET"], ["format", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", FILES)
def test_program_stands_alone(file: str) -> None:
    """Only the standard library, numpy, the framework and what reads the data are imported."""
    allowed = {"numpy", "pandas", "sklearn"}
    allowed |= {"torch"} if file.startswith("torch") else {"tensorflow", "keras"}
    allowed |= {"fsspec"} if "citizens" in file else set()

    text = _render(file)

    assert _imports(text) - set(sys.stdlib_module_names) <= allowed
    assert "raygen" not in text.split('"""', 2)[2].lower()


PROMISED = [
    *("load_data", "read_inputs", "split", "fit_preprocessing", "preprocess"),
    *("build_model", "build_optimizer", "hyperparameters", "learning_rate"),
    *("criterion", "to_predictions", "print_predictions", "to_inputs", "print_report"),
    *("train", "predict", "evaluate", "save", "load", "main"),
]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", SPECS)
def test_program_has_what_it_promises(name: str, framework: str) -> None:
    """The names stand in every file in one order, so both frameworks read alike."""
    space = {"image": "image/mlp", "table": "tabular/mlp", "text": "text/textcnn"}
    plan = blueprint(name, space[SPECS[name].modality], framework)

    tree = ast.parse(render(plan, Candidate(plan.space.sample(np.random.default_rng(0)))).text)

    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert [each for each in defined if each in PROMISED] == PROMISED
    assert len(set(defined)) == len(defined)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_rendering_is_a_function(framework: str) -> None:
    """The same candidate gives the same bytes, and another candidate gives others."""
    plan = blueprint("digits", "image/convnet", framework)
    one, other = (plan.space.sample(np.random.default_rng(seed)) for seed in (1, 2))

    text = render(plan, Candidate(one)).text

    assert render(plan, Candidate(dict(reversed(one.items())))).text == text
    assert render(plan, Candidate(other)).text != text


def test_constants_read_back() -> None:
    """Every value of the experiment can be read from the text, without running it."""
    name, space, framework, values = FILES["torch_people_mlp.py"]
    plan = blueprint(name, space, framework, seed=5, folds=3, epochs=9, threads=2)

    source = render(plan, Candidate(_TRAINING | values))

    given = {key: SPECS[name].constants[key] for key in ("NUMERIC", "CATEGORIES", "MISSING")}
    given |= {"METRIC": "accuracy", "SEED": 5, "FOLDS": 3, "EPOCHS": 9, "THREADS": 2}
    given |= {"CLASSES": ["<=50K", ">50K"]}
    assert given.items() <= source.constants.items()
    (start, settings), *more = source.constants["SCHEDULE"]
    assert (start, more) == (0, [])
    assert settings.items() <= _TRAINING.items()


def test_repeated_folds_are_numbered_on(tmp_path: Path) -> None:
    """Folds of all repeats count as folds, for --cv and --fold too; the rest stays as it is."""
    plan = blueprint("digits", "image/mlp", "torch", folds=3, repeats=4)
    once = blueprint("digits", "image/mlp", "torch", folds=3)
    values = plan.space.sample(np.random.default_rng(0))

    source = render(plan, Candidate(values))

    assert source.constants["FOLDS"] == 12
    assert source.constants["REPEATS"] == 4
    assert "REPEATS" not in render(once, Candidate(values)).text
    path = tmp_path / "model.py"
    path.write_text(source.text, encoding="utf-8")
    program: dict[str, Any] = {"__name__": "model"}
    exec(compile(source.text, str(path), "exec"), program)
    y = np.repeat([0, 1, 2], 30)
    held_out = [program["split"](y, fold)[1] for fold in range(12)]
    assert [len(rows) for rows in held_out] == [30] * 12
    assert len({tuple(rows) for rows in held_out}) == 12


def test_sha_is_that_of_the_file(tmp_path: Path) -> None:
    """The sha of a source is what sha256sum says of the file, labels beyond ASCII included."""
    spec = replace(SPECS["news"], classes=("жизнь", "体育", "naïve", "emoji 🙂"))
    plan = blueprint("news", "text/textcnn", "torch", spec=spec)
    source = render(plan, Candidate(_TRAINING | _TEXTCNN))
    path = tmp_path / "model.py"

    path.write_text(source.text, encoding="utf-8", newline="")

    assert hashlib.sha256(path.read_bytes()).hexdigest() == source.sha
    assert source.constants["CLASSES"] == list(spec.classes)


HOSTILE = (
    '"""\nimport os\n"""',
    "'''; __import__('os').system('true'); '''",
    "__import__('os')",
    "\\",
    "\\\"\"\" + open('x', 'w')",
    "\n# endregion\nimport os\n# region layers\n",
    "{settings} {0} %s $name",
    "\u2028\x00\x85 \r\n\t",
)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_literals(framework: str, text: str) -> None:
    """A name, a path, a column, a label or an option that looks like code is data all the same."""
    plain = _with_texts("plain", framework)
    hostile = _with_texts(text, framework)

    assert _skeleton(hostile.text) == _skeleton(plain.text)
    found = hostile.constants
    assert found["CLASSES"] == [f"a{text}", f"b{text}"]
    assert found["DATA"] == found["TARGET"] == text
    assert found["NUMERIC"] == (text, "hours")
    assert set(found["CATEGORIES"]) == {text, "sex"}


def _with_texts(text: str, framework: str) -> Any:
    spec = SPECS["people"]
    given = {"DATA": text, "TARGET": text, "NUMERIC": (text, "hours"), "CATEGORIES": {text: 3}}
    given["CATEGORIES"]["sex"] = 2  # type: ignore[index]
    spec = replace(
        spec, uri=text, classes=(f"a{text}", f"b{text}"), constants={**spec.constants, **given}
    )
    layers = ({"choose": "$kind", "from": {text: [{"dense": 4}]}},)
    space = Space("hostile", layers, {}, (Parameter("kind", Choice((text,))),))
    plan = replace(blueprint("people", space, framework, spec=spec), name=text)
    return render(plan, Candidate({"kind": text}))


def _skeleton(text: str) -> str:
    """The syntax tree with the docstring and the values of constants taken out."""
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    for node in tree.body[1:]:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                ast.literal_eval(node.value)
            except ValueError:
                continue
            node.value = ast.Constant(None)
    return ast.dump(ast.Module(tree.body[1:], []))


def _imports(text: str) -> set[str]:
    roots = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add((node.module or "").split(".")[0])
    return roots


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_region_is_filled(framework: str) -> None:
    """Every region of a skeleton is one that rendering fills, and none is left in the text."""
    plan: Blueprint = blueprint("digits", "image/convnet", framework)

    text = render(plan, Candidate(_TRAINING | _CONVNET)).text

    assert "# region" not in text
    assert "# endregion" not in text


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_report_prints_one_line_of_json(
    framework: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default report says what it is given on standard output, and nothing on errors."""
    pytest.importorskip(FRAMEWORKS[framework].package)
    path = tmp_path / "model.py"
    plan = blueprint("digits", "image/convnet", framework)
    path.write_text(render(plan, Candidate(_TRAINING | _CONVNET)).text, encoding="utf-8")

    load_program(path).print_report({"epoch": 1, "accuracy": 0.5}, lambda folder: None)

    assert capsys.readouterr().out == '{"epoch": 1, "accuracy": 0.5}\n'
