"""Functions that a generated Keras network may need beside those of ``keras.layers``."""

from __future__ import annotations

from typing import Any

import keras


def positions(ids: Any) -> Any:
    """The place of each token of (rows, length): 0, 1, 2 and so on."""
    return keras.ops.cumsum(keras.ops.ones_like(ids), axis=1) - 1
