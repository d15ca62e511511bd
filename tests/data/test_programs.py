"""Tests of the text that loaders become in a ``model.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import raygen
from raygen.data.loaders import LOADERS, inputs_fragment, loader_fragments
from raygen.data.spec import DataSpec
from raygen.fragments import link

SPLITS = ({}, {"TRAIN_SPLIT": "train"}, {"TRAIN_SPLIT": "train", "TEST_SPLIT": "test"})


def every_spec() -> list[DataSpec]:
    """List all combinations of sources, modalities, splits and kinds of targets."""
    return [
        DataSpec(
            uri="data",
            source=source,
            modality=modality,
            sha="",
            num_rows=0,
            num_test_rows=0,
            input_shape=(),
            classes=classes,
            constants={"ARRAYS": arrays, **splits},
        )
        for source, modality in LOADERS
        for splits in SPLITS
        for classes in ((), (0, 1))
        for arrays in (("x", "y"), ("x_train", "y_train", "x_test", "y_test"))
    ]


def test_linked_loaders_are_complete(tmp_path: Path) -> None:
    """Every loader, linked with its preprocessing, defines all names that it uses."""
    texts = {link([*loader_fragments(spec), inputs_fragment(spec)], {}) for spec in every_spec()}
    for i, text in enumerate(sorted(texts)):
        (tmp_path / f"loader_{i}.py").write_text(text)

    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", str(tmp_path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert len(texts) > 25
    assert checked.returncode == 0, checked.stdout
    assert not any("raygen" in text for text in texts)


@pytest.mark.parametrize("name", ["load_data", "read_inputs", "split", "deal"])
def test_every_loader_has_the_same_doors(name: str) -> None:
    """Whatever the data, a program finds the same functions, each defined once."""
    for spec in every_spec():
        assert link(loader_fragments(spec), {}).count(f"\ndef {name}(") == 1


def test_checking_the_digits_loads_no_heavy_package() -> None:
    """The default config is checked without pandas, scikit-learn, pyarrow or Pillow."""
    program = (
        "import sys\n"
        "from raygen.data.arrays import Asked\n"
        "from raygen.data.inspect import inspect\n"
        "inspect(Asked(name='digits'), modality='image', regression=False, folds=5)\n"
        "print(sorted({'pandas', 'sklearn', 'pyarrow', 'PIL', 'datasets'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(raygen.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
