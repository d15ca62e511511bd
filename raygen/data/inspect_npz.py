"""What images does an npz file hold?"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from raygen.data.fragments.folds import deal
from raygen.data.request import Request, told
from raygen.data.spec import DataSpec

ARRAYS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("X_train", "y_train", "X_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x", "y"),
    ("X", "y"),
    ("images", "labels"),
    ("data", "target"),
    ("x_train", "y_train"),
)
"""Names under which images and labels are found; the first of these that are all there."""


def inspect_npz(request: Request, uri: str, source: str) -> DataSpec:
    """Describe an npz file by the headers of its images and by its labels.

    Raises:
        DataError: It cannot be read, or does not hold images (uint8) and their labels.
    """
    try:
        with np.load(uri) as arrays:
            names = _find_arrays(request, uri, list(arrays.files))
            labels = [arrays[name].reshape(-1) for name in names[1::2]]
        shapes = [_image_shape(request, uri, name) for name in names[::2]]
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise request.data_error(f"{uri} cannot be read: {error}") from error
    for name, shape, y in zip(names[::2], shapes, labels, strict=True):
        _check_pair(request, uri, name, shape, y)
    if shapes[0][1:] != shapes[-1][1:]:
        raise request.data_error(
            f"{uri}: {names[0]} has images of {shapes[0][1:]}, {names[2]} of {shapes[-1][1:]}",
            must="both must have one shape",
        )
    return _describe(request, uri, source, names, labels, shapes[0][1:])


def _find_arrays(request: Request, uri: str, held: list[str]) -> tuple[str, ...]:
    for names in ARRAYS:
        if set(names) <= set(held):
            return names
    raise request.data_error(
        f"{uri} holds the arrays {told(held)}",
        must="must hold x_train, y_train, x_test and y_test, or x and y",
    )


def _image_shape(request: Request, uri: str, name: str) -> tuple[int, ...]:
    """Read the header only: (rows, height, width, channels)."""
    with zipfile.ZipFile(uri) as archive, archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        if version > (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    if dtype != np.uint8 or len(shape) not in (3, 4):
        raise request.data_error(
            f"{uri}: {name} is {dtype} of shape {shape}",
            must="images must be uint8 (0 to 255) of shape (rows, height, width[, channels])",
        )
    return tuple(shape) if len(shape) == 4 else (*shape, 1)


def _check_pair(
    request: Request, uri: str, name: str, shape: tuple[int, ...], y: np.ndarray
) -> None:
    if shape[0] != len(y):
        raise request.data_error(
            f"{uri}: {name} has {shape[0]} rows, its labels {len(y)}",
            must="both must have as many",
        )
    if y.dtype.kind not in "iubU":
        raise request.data_error(
            f"{uri}: the labels of {name} are {y.dtype}", must="labels must be integers or text"
        )


def _describe(
    request: Request,
    uri: str,
    source: str,
    names: tuple[str, ...],
    labels: list[np.ndarray],
    input_shape: tuple[int, ...],
) -> DataSpec:
    labels_seen, index = np.unique(np.concatenate(labels), return_inverse=True)
    classes: tuple[str | int, ...] = tuple(labels_seen.tolist())
    is_test = np.arange(len(index)) >= len(labels[0])
    if len(names) == 2:
        is_test = deal(index, 5, seed=0) == 0
    counts = np.bincount(index[~is_test], minlength=len(classes))
    constants = {"DATA": uri, "ARRAYS": names, "CLASSES": classes}
    return DataSpec(
        uri=uri,
        source=source,
        modality=request.modality,
        sha=hashlib.sha256(Path(uri).read_bytes()).hexdigest()[:16],
        num_rows=int((~is_test).sum()),
        num_test_rows=int(is_test.sum()),
        input_shape=input_shape,
        classes=classes,
        class_counts=tuple(counts.tolist()),
        constants=constants,
    )
