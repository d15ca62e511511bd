"""What does a program of somebody's load, deal and build? Run as a process of its own.

``python -m raygen.source.look model.py found.json [FOLDER]`` imports the program, and leaves what
it found in ``found.json`` and, if a folder is named, the arrays in there.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

ARRAYS = ("x", "y", "x_test", "y_test")
"""What ``load_data`` returns."""


def look(path: Path, folder: Path | None) -> dict[str, Any]:
    """Import a program and say what it loads, how it deals the rows, and how large it is."""
    sys.path.insert(0, str(path.parent))
    model = importlib.import_module(path.stem)
    arrays = dict(zip(ARRAYS, model.load_data(), strict=True))
    if folder is not None:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        return {}
    # of more folds than rows one is empty, and those tell it that come first
    most = getattr(model, "REPEATS", 1) * len(arrays["y"]) + 1
    held_out = [model.split(arrays["y"], fold)[1] for fold in range(min(model.FOLDS, most))]
    return {
        "arrays": {name: _fingerprint(array) for name, array in arrays.items()},
        "folds": [_fingerprint(np.asarray(rows, dtype=np.int64)) for rows in held_out],
        "num_parameters": _num_parameters(model.build_model()),
    }


def _fingerprint(array: np.ndarray) -> list[Any]:
    """The shape and the sha256 of an array."""
    if array.dtype.hasobject:
        raise TypeError(f"load_data() gives an array of {array.dtype}, not of plain numbers")
    content = np.ascontiguousarray(array).tobytes()
    return [list(array.shape), hashlib.sha256(f"{array.dtype}".encode() + content).hexdigest()]


def _num_parameters(network: Any) -> int:
    """Trained numbers of a PyTorch or Keras network; 0 of anything else."""
    if hasattr(network, "trainable_weights"):
        return sum(math.prod(weight.shape) for weight in network.trainable_weights)
    if hasattr(network, "parameters"):
        return sum(each.numel() for each in network.parameters() if each.requires_grad)
    return 0


def _told(error: BaseException, path: Path) -> str:
    """The innermost place in the program and the exception, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == str(path)]
    place = f"line {own[-1].lineno} `{own[-1].line}`: " if own else ""
    first_line = (str(error).splitlines() or [""])[0]
    return f"{place}{type(error).__name__}: {first_line}"[:500]


def main() -> None:
    """Look at the program that the command line names."""
    path, found, *folder = (Path(each) for each in sys.argv[1:])
    try:
        told = look(path, folder[0] if folder else None)
    except (Exception, SystemExit) as error:  # whatever the program raises is its user's to know
        told = {"error": _told(error, path)}
    found.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
