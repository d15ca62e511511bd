"""Does the model take what its preprocessor makes of a row? Tried on shapes, without numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raygen.errors import DataError
from raygen.finetune.memory import peak_of, setup_of
from raygen.finetune.peak import why_not_taken
from raygen.finetune.placement import place
from raygen.fragments import link

if TYPE_CHECKING:
    import numpy as np

    from raygen.finetune.blueprint import PretrainedBlueprint


def check_row(blueprint: PretrainedBlueprint) -> None:
    """Refuse a preprocessor of images or sounds that is another model's.

    A model that takes nothing at all without numbers is not asked.

    Raises:
        DataError: The model cannot take what it makes, or it cannot be read.
    """
    constants, setup = blueprint.spec.constants, setup_of(blueprint)
    row = _row(constants)
    if row is None or peak_of(blueprint, setup) is None:
        return
    program: dict[str, Any] = {"__name__": "loader"}
    exec(link(blueprint.task.fragments, constants), program)
    try:
        batch = program["to_batch"](row)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    else:
        told = why_not_taken(place(blueprint, setup.method, setup.lines), batch)
    if told:
        raise DataError(
            f"the model cannot take what preprocessor_config.json makes of a row ({told})",
            where=blueprint.space.origin.where("pretrained"),
            must="model and preprocessor must belong to each other",
            remedy="copy the file from where the model comes from",
        )


def _row(constants: Mapping[str, Any]) -> np.ndarray | None:
    """Two black images or silent sounds, for norms of a batch want two; of tokens nothing."""
    import numpy as np

    if "SIZE" in constants:
        return np.zeros((2, 8, 8, 3), np.uint8)
    if "SAMPLES" in constants:
        return np.zeros((2, constants["SAMPLES"]), np.int16)
    return None
