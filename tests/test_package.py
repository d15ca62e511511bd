"""What is installed, declared and pinned agrees with what is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import raygen
from raygen.config.model_section import MethodName
from raygen.config.schema import Experiment
from raygen.config.search_section import Search
from raygen.config.task_section import PRETRAINED_ONLY, TaskName
from raygen.finetune.methods import METHODS
from raygen.finetune.tasks import FINETUNING
from raygen.search.strategies import STRATEGIES
from raygen.source.frameworks import FRAMEWORKS
from raygen.tasks.task import TASKS

ROOT = Path(__file__).parents[1]
HEAVY = {"ray", "torch", "tensorflow", "keras", "pandas", "sklearn", "pyarrow", "hyperopt", "numpy"}
CONFIG = """\
task:
  name: ImageClassification
  dataset: {name: digits, train_split: train, test_split: test}
"""


def test_packages_are_the_folders() -> None:
    """The list in setup.cfg names every folder of the package, and the search spaces."""
    folders = {path.parent for path in (ROOT / "raygen").rglob("*.py")}
    expected = {".".join(folder.relative_to(ROOT).parts) for folder in folders}

    assert expected | {"raygen.search_spaces"} == set(setup()["options"]["packages"].split())


def test_every_folder_has_an_init() -> None:
    """No folder of the package is a namespace package by mistake."""
    folders = {path.parent for path in (ROOT / "raygen").rglob("*.py")}

    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_requirements_name_their_modules() -> None:
    """Every module that a comment of setup.cfg gives as the reason for a requirement exists."""
    comments = re.findall(r"^\s*#.*$", read("setup.cfg"), re.MULTILINE)
    named = set(re.findall(r"raygen(?:\.\w+)+", "\n".join(comments)))

    assert named
    assert [name for name in named if find_spec(name) is None] == []


def test_every_extra_has_its_reason() -> None:
    """Above each extra, or above the group it stands in, a comment says what needs it."""
    section = read("setup.cfg").split("[options.extras_require]\n")[1].split("\n[")[0]
    groups = re.split(r"\n(?=#)", section)

    assert [group for group in groups if not group.startswith("#")] == []


def test_remedies_name_extras_that_exist() -> None:
    """An extra that RayGen tells its user to install is one of setup.cfg."""
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "raygen").rglob("*.py"))
    named = set(re.findall(r"raygen\[([a-z-]+)\]", text))

    assert named - set(setup()["options.extras_require"]) == set()


def test_requirements_are_pinned() -> None:
    """The constraints hold one version of each requirement, and one that setup.cfg allows."""
    pins = constraints()
    wanted = [each for each in requirements() if each.name != "tensorflow"]  # CI takes the CPU one

    assert [str(each) for each in wanted if each.name not in pins] == []
    assert [str(each) for each in wanted if pins[each.name] not in each.specifier] == []


def test_constraints_name_no_place() -> None:
    """Pins are plain versions: no address, no option, no build of one index only."""
    lines = re.findall(r"^[^#\n].*$", read("requirements/constraints.txt"), re.MULTILINE)

    assert [line for line in lines if re.search(r"://|@|^-|\+", line)] == []


def test_changelog_is_of_this_version() -> None:
    """The newest heading of the changelog is the version of the package."""
    newest = re.findall(r"^## \[?([0-9][^\s\]]*)", read("CHANGELOG.md"), re.MULTILINE)[0]

    assert newest == raygen.__version__


def test_public_names_exist() -> None:
    """Every name of ``raygen.__all__`` can be imported."""
    assert [name for name in raygen.__all__ if not hasattr(raygen, name)] == []


def test_names_of_the_schema_are_rows_of_the_tables() -> None:
    """What a YAML may name is what the tables of searchers, schedulers, frameworks, tasks hold."""
    from raygen.search.schedulers import SCHEDULERS  # ray

    assert list(get_args(Search.model_fields["algorithm"].annotation)) == list(STRATEGIES)
    assert list(get_args(Search.model_fields["scheduler"].annotation)) == list(SCHEDULERS)
    assert list(get_args(Experiment.model_fields["framework"].annotation)) == list(FRAMEWORKS)
    assert set(get_args(MethodName)) == set(METHODS)
    assert set(PRETRAINED_ONLY) == set(FINETUNING) - set(TASKS)
    assert list(get_args(TaskName)) == [*TASKS, "Custom", *PRETRAINED_ONLY]


@pytest.mark.parametrize(
    "arguments", [None, ["--help"], ["check", "config.yaml"]], ids=["import", "help", "check"]
)
def test_nothing_heavy_is_imported_early(arguments: list[str] | None, tmp_path: Path) -> None:
    """Importing RayGen, asking for help and checking a config load no framework and no Ray."""
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    program = "import atexit, json, sys, raygen\n"
    program += "atexit.register(lambda: print(json.dumps([*sys.modules]), file=sys.stderr))\n"
    if arguments is not None:
        program += f"sys.argv = ['raygen', *{arguments!r}]\nfrom raygen.cli import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}

    assert done.returncode == 0
    assert "raygen" in loaded
    assert loaded & HEAVY == set()


def read(name: str) -> str:
    """The text of a file of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def setup() -> ConfigParser:
    """The content of setup.cfg."""
    parser = ConfigParser()
    parser.read_string(read("setup.cfg"))
    return parser


def requirements() -> list[Requirement]:
    """All that setup.cfg asks for, with and without extras, by canonical name."""
    parser = setup()
    texts = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    found = [Requirement(line) for text in texts for line in text.splitlines() if line]
    for each in found:
        each.name = canonicalize_name(each.name)
    return found


def constraints() -> dict[str, str]:
    """The pinned version of each package, whatever the Python."""
    lines = re.findall(r"^[^#\n].*$", read("requirements/constraints.txt"), re.MULTILINE)
    pins = [re.fullmatch(r"([\w.-]+)==(\S+)(?: ; .*)?", line) for line in lines]
    assert None not in pins, "each line is one package and one version"
    return {canonicalize_name(pin[1]): pin[2] for pin in pins if pin is not None}
