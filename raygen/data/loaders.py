"""Which fragments read a data set, and what arrays do they give?"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from raygen.data.spec import DataSpec, Split
from raygen.errors import DataError
from raygen.fragments import link
from raygen.uris import is_uri

if TYPE_CHECKING:
    import numpy as np

LOADERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("digits", "image"): ("digits",),
    ("npz", "image"): ("npz",),
    ("folder", "image"): ("folder", "image_file"),
    ("csv", "table"): ("frame_table", "frame_csv"),
    ("csv", "text"): ("frame_text", "frame_csv"),
    ("parquet", "image"): ("frame_image", "image_file", "frame_parquet"),
    ("parquet", "table"): ("frame_table", "frame_parquet"),
    ("parquet", "text"): ("frame_text", "frame_parquet"),
    ("hub", "image"): ("frame_image", "image_file", "frame_hub"),
    ("hub", "table"): ("frame_table", "frame_hub"),
    ("hub", "text"): ("frame_text", "frame_hub"),
    ("sklearn", "table"): ("frame_table", "frame_sklearn"),
}
"""Fragments by source and modality, in reading order; what depends on the splits is added."""

FOLDS: dict[Split, str] = {
    "stratified": "folds",
    "grouped": "folds_in_blocks",
    "leave-one-group-out": "folds_in_blocks",
    "ordered": "folds_in_order",
    "column": "folds_in_blocks",
    "function": "folds_as_given",
}
"""The fragment of ``split``."""

_BY_CONSTANT = {"GROUPS": "folds_of_groups", "GAP": "folds_in_windows"}
"""The fragment of ``split`` where there is such a constant."""

_CUTS: dict[Split, tuple[str, ...]] = {
    "grouped": ("rows_by_group", "groups_dealt"),
    "leave-one-group-out": ("rows_by_group", "groups_dealt"),
    "ordered": ("rows_in_order",),
    "column": ("rows_by_fold",),
}
"""The fragments of ``cut_test_rows``, where a column tells how rows are dealt."""

_CUTS_OF_CONSTANT = {"GROUPS": ("rows_in_groups", "groups_dealt"), "GAP": ("rows_before_gap",)}
"""The same where there is such a constant."""


def folds_fragment(split: Split, constants: Mapping[str, Any], *, repeats: int = 1) -> str:
    """Name the module of ``split``.

    Args:
        split: How rows are dealt.
        constants: Of the data set.
        repeats: How often rows are dealt.
    """
    name = FOLDS[split]
    if split == "stratified" and repeats > 1:
        name = "folds_repeated"
    found = [_BY_CONSTANT[each] for each in _BY_CONSTANT if each in constants]
    return f"raygen.data.fragments.{(found or [name])[0]}"


FETCH = "raygen.data.fragments.fetch"
"""The module that brings what a URI names to this machine."""


def first_lines(uri: str) -> dict[str, str]:
    """By function, the line that it begins with where the data lies elsewhere."""
    names = ("load_data", "load_in_parts", "read_inputs") if is_uri(uri) else ()
    return dict.fromkeys(names, "path = fetch(path)")


def load_arrays(spec: DataSpec) -> dict[str, np.ndarray]:
    """Read a data set by the very text that stands in its ``model.py``.

    Returns:
        ``x`` and ``y`` of the training rows, ``x_test`` and ``y_test`` of the test rows.

    Raises:
        DataError: The data has changed since it was inspected, or a row cannot be read.
    """
    try:
        with _access(spec):
            arrays = loader_program(spec)["load_data"]()
    except (OSError, ValueError, KeyError, TypeError) as error:
        told = f"{type(error).__name__}: {error}"
        raise DataError(f"cannot be read ({told})", where=spec.uri) from error
    return dict(zip(("x", "y", "x_test", "y_test"), arrays, strict=True))


def _access(spec: DataSpec) -> AbstractContextManager[None]:
    """What must hold while the loader runs."""
    if spec.source != "hub":
        return nullcontext()
    from raygen.data.hub import hub_access  # urllib: 10 ms

    return hub_access(spec.uri)


def loader_program(spec: DataSpec) -> dict[str, Any]:
    """Execute the loader's text and return its names: ``load_data``, ``read_inputs``, ..."""
    text = loader_text(spec)
    program: dict[str, Any] = {"__name__": "loader"}
    exec(compile(text, f"<loader of {spec.uri}>", "exec"), program)
    return program


def loader_text(spec: DataSpec) -> str:
    """The text of the loader, as a program of its own."""
    return link(loader_fragments(spec), spec.constants, begins=first_lines(spec.uri))


def loader_fragments(spec: DataSpec) -> tuple[str, ...]:
    """Name the modules of ``load_data``, ``read_inputs`` and all they call; ``folds`` is last."""
    names = LOADERS[spec.source, spec.modality]
    if names[0] == "npz" and len(spec.constants["ARRAYS"]) == 2:
        names = ("npz_dealt",)
    elif names[0] == "folder" and "TEST_SPLIT" in spec.constants:
        names = ("folder_splits", *names[1:])
    elif names[0].startswith("frame_"):
        cut = cut_fragments(spec.split, spec.constants) or (_test_rows_fragment(spec),)
        names = (*names, *cut, _target_fragment(spec))
    names = (*names, "fetch") if is_uri(spec.uri) else names
    return tuple(f"raygen.data.fragments.{name}" for name in (*names, "folds"))


def inputs_fragment(spec: DataSpec) -> str:
    """Name the module of ``fit_preprocessing`` and ``preprocess`` (images: also ``augment``)."""
    return f"raygen.data.fragments.inputs_{spec.modality}"


def cut_fragments(split: Split, constants: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the modules of ``cut_test_rows`` where a column tells how rows are dealt; else none."""
    found = [_CUTS_OF_CONSTANT[each] for each in _CUTS_OF_CONSTANT if each in constants]
    return found[0] if found else _CUTS.get(split, ())


def _test_rows_fragment(spec: DataSpec) -> str:
    if "TEST_SPLIT" in spec.constants:
        return "rows_by_split"
    return "rows_of_split_dealt" if "TRAIN_SPLIT" in spec.constants else "rows_dealt"


def _target_fragment(spec: DataSpec) -> str:
    return "target_class" if spec.classes else "target_number"
