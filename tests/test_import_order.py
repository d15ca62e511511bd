"""Modules import downwards only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "raygen"
ORDER = (
    ("__main__", "begin"),
    ("cli",),
    ("verbs", "cluster_verbs"),
    ("shown",),
    ("pipeline", "doctor"),
    ("outcome",),
    ("run_folder",),
    ("plan",),
    ("kinds", "machine"),
    ("search", "rank", "report", "launch"),
    ("execute", "interchange"),
    ("runs",),
    ("finetune",),
    ("source",),
    ("tasks",),
    ("config", "data"),
    ("fragments", "errors", "uris"),
)
"""The layers, top first; a module imports from layers below its own, never from beside."""
LEVEL = {part: level for level, parts in enumerate(ORDER) for part in parts}
DOOR = PACKAGE / "__init__.py"
MODULES = sorted(set(PACKAGE.rglob("*.py")) - {DOOR})
"""All but the door of the package, which names what lies in every layer."""


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_layers(module: Path) -> None:
    """What a module of RayGen imports from RayGen is its own part or a part of a lower layer."""
    own = part_of(module)
    imported = set(imported_parts(module)) - {own}

    assert {part for part in imported if LEVEL[part] <= LEVEL[own]} == set()


def test_every_part_has_a_layer() -> None:
    """A new folder or module beside the others must be given its place in the order."""
    parts = {part_of(module) for module in MODULES}

    assert parts - set(LEVEL) == set()


def part_of(module: Path) -> str:
    """The top-level part a file belongs to: ``search`` for ``search/run.py``."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(module: Path) -> Iterator[str]:
    """The parts named by all imports of a file, those inside functions too."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        names: list[str] = []
        match node:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(module="raygen", names=aliases):
                names = [f"raygen.{alias.name}" for alias in aliases]
            case ast.ImportFrom(module=str(name), level=0):
                names = [name]
            case ast.ImportFrom():
                raise AssertionError(f"{module}:{node.lineno} imports relatively")
        for name in names:
            root, _, rest = name.partition(".")
            part = rest.partition(".")[0]
            if root == "raygen" and not part.startswith("__"):
                yield part
