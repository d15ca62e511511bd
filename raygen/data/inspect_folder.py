"""What images does a folder hold, by class and perhaps by split?"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from raygen.data.encoded_images import image_constants, image_shape
from raygen.data.fragments.folder import list_images
from raygen.data.fragments.folds import deal
from raygen.data.request import TEST_SPLITS, Request, near_miss, told
from raygen.data.spec import DataSpec


def inspect_folder(request: Request, uri: str, source: str) -> DataSpec:
    """Describe ``folder/class/image`` or ``folder/split/class/image`` without decoding the images.

    Raises:
        DataError: There are no such folders, no images in them, or a file that is no image.
    """
    train, test = _find_splits(request, Path(uri))
    roots = [Path(uri) / split for split in (*train, *test)] or [Path(uri)]
    classes = tuple(sorted({folder.name for root in roots for folder in _class_folders(root)}))
    if not classes:
        raise request.data_error(
            f"{uri} has no folders with images in them",
            must="must hold one folder of images for each class",
        )
    y, y_test = (_labels([Path(uri) / split for split in splits], classes) for splits in (train, test))
    if not train:
        y = _labels(roots, classes)
        is_test = deal(y, 5, seed=0) == 0
        y, y_test = y[~is_test], y[is_test]
    files = [file for root in roots for folder in _class_folders(root) for file in list_images(folder)]
    constants = {"DATA": uri, "CLASSES": classes}
    constants |= image_constants(request, ((str(file), file) for file in files))
    if test:
        constants |= {"TRAIN_SPLIT": "+".join(train), "TEST_SPLIT": test[0]}
    return DataSpec(
        uri=uri,
        source=source,
        modality=request.modality,
        sha=_fingerprint(Path(uri), files),
        num_rows=len(y),
        num_test_rows=len(y_test),
        input_shape=image_shape(constants),
        classes=classes,
        class_counts=tuple(np.bincount(y, minlength=len(classes)).tolist()),
        constants=constants,
    )
