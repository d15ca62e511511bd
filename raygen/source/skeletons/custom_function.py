"""Calls a function of the user's own that trains, scores and reports."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILES = {"train.py": ""}
FUNCTION = "train"
TAKES = ("report", "resume")


def run(
    folder: Path, parameters: dict[str, Any], report: Callable[..., None], resume: str | None
) -> Any:
    """Import the function from its own folder, and call it there; gives what it returns."""
    path = folder / next(iter(FILES))
    if __name__ != "__main__":  # the user may have a module of this one's name
        sys.modules.pop(__name__, None)
    sys.path.insert(0, str(path.parent))
    os.chdir(folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    # one that cannot go on from a checkpoint has no use for one
    given: dict[str, Any] = {"report": report, "resume": resume}
    if "resume" not in TAKES:
        given["report"] = lambda metrics, save=None: report(metrics)
    try:
        spec.loader.exec_module(module)
        return getattr(module, FUNCTION)(parameters, **{name: given[name] for name in TAKES})
    except SystemExit as error:
        if error.code:
            raise
        return None
