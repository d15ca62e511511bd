"""What did a program predict of the rows that it was last scored on?"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_MOST_BYTES = 32_000_000


class HeldOut:
    """Stands in for a program's ``predict``, which its ``evaluate`` calls, and keeps the last ones.

    So nothing is predicted twice, and what is kept is what the scores were made of.

    Args:
        predict: The program's own.
        rows: Gives those that the fold holds out.
    """

    def __init__(self, predict: Callable[..., Any], rows: Callable[[], np.ndarray]) -> None:
        self._predict, self._rows = predict, rows
        self._last: Any = None

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """Predict as the program does."""
        self._last = self._predict(*inputs, **settings)
        return self._last

    def save(self, path: Path) -> None:
        """Write rows and predictions, as a whole or not at all.

        Only probabilities and values: nothing else has a number or a line of numbers for each row.
        """
        found, rows = self._last, self._rows()
        if (
            not isinstance(found, np.ndarray)
            or found.dtype.kind != "f"
            or found.ndim > 2
            or len(found) != len(rows)
            or found.nbytes > _MOST_BYTES
        ):
            return
        path.parent.mkdir(exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with draft.open("wb") as file:
            np.savez(file, rows=rows, predictions=found)
        draft.replace(path)
