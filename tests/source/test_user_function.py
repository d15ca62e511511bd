from __future__ import annotations

from pathlib import Path

import pytest

from raygen.source.user_function import UserFunction, read_function


def read(text: str, folder: Path) -> UserFunction:
    """Look at the function ``train`` of a file with some text."""
    (folder / "train.py").write_text(text, encoding="utf-8")
    return read_function("train.py:train", folder, where="c.yaml:1: task.objective")


@pytest.mark.parametrize(
    ("signature", "takes"),
    [
        ("p", ()),
        ("p, report", ("report",)),
        ("p, resume=None, report=print", ("report", "resume")),
        ("p, *, report, resume", ("report", "resume")),
        ("p, /, report, lr=3", ("report",)),
        ("p, **more", ("report", "resume")),
        ("*p, report", ("report",)),
    ],
)
def test_it_is_given_what_it_takes(tmp_path: Path, signature: str, takes: tuple[str]) -> None:
    """By the names of its arguments."""
    assert read(f"def train({signature}):\n    pass\n", tmp_path).takes == takes


@pytest.mark.parametrize(
    ("body", "signature", "can"),
    [
        ("report({}, save)", "p, report, resume=None", True),
        ("report({}, save=save)", "p, report, resume=None", True),
        ("report(*both)", "p, report, resume=None", True),
        ("loop(report)", "p, report, resume=None", True),
        ("report({}); report({}, save)", "p, report, resume=None", True),
        ("report({})", "p, report, resume=None", False),
        ("report({}, save)", "p, report", False),
        ("return 1", "p", False),
    ],
)
def test_it_goes_on_if_it_saves_and_resumes(
    tmp_path: Path, body: str, signature: str, can: bool
) -> None:
    """Both are seen in its text; where it hands ``report`` on, it is believed to save."""
    assert read(f"def train({signature}):\n    {body}\n", tmp_path).can_resume is can


@pytest.mark.parametrize(
    "text", ["from lib import train\n", "train = make()\n", "from lib import go as train\n"]
)
def test_a_name_from_elsewhere_is_believed(tmp_path: Path, text: str) -> None:
    """Nothing is imported to look at it."""
    found = read(text, tmp_path)

    assert (found.takes, found.can_resume) == (("report", "resume"), True)


def test_the_imports_of_its_file_are_known(tmp_path: Path) -> None:
    """Warm workers can import the slow ones ahead."""
    text = "import numpy as np\nfrom torch.nn import Linear\nfrom . import x\ndef train(p): pass\n"

    assert read(text, tmp_path).imports == ("numpy", "torch.nn")
