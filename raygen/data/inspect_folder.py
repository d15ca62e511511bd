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
    if train and not test:  # the only split there is: its classes are dealt
        uri, train = str(Path(uri) / train[0]), ()
    images, test_images = _list_rows(Path(uri), train), _list_rows(Path(uri), test) if test else []
    if not images:
        raise request.data_error(
            f"{uri} has no folders with images in them",
            must="must hold one folder of images for each class",
        )
    everything = images + test_images
    classes = tuple(sorted({label for _, label in everything}))
    y = np.array([classes.index(label) for _, label in everything])
    is_test = np.arange(len(y)) >= len(images) if test else deal(y, 5, seed=0) == 0
    constants = {"DATA": uri, "CLASSES": classes}
    constants |= image_constants(request, ((str(file), file) for file, _ in everything))
    if test:
        constants |= {"TRAIN_SPLIT": "+".join(train), "TEST_SPLIT": test[0]}
    return DataSpec(
        uri=uri,
        source=source,
        modality=request.modality,
        sha=_fingerprint([file for file, _ in everything], Path(uri)),
        num_rows=int((~is_test).sum()),
        num_test_rows=int(is_test.sum()),
        input_shape=image_shape(constants),
        classes=classes,
        class_counts=tuple(np.bincount(y[~is_test], minlength=len(classes)).tolist()),
        constants=constants,
    )


def _find_splits(request: Request, root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the folders for training and test; none where classes lie at the top."""
    given_train, given_test = request.dataset.train_split, request.dataset.test_split
    held = [folder.name for folder in _folders(root) if _class_folders(folder)]
    train = tuple((given_train or "train").split("+"))
    if not held and given_train in (None, "train") and given_test in (None, "test"):
        return (), ()
    for split in train:
        if split not in held:
            raise _no_split(request, "train_split", split, held)
    test = given_test or next((name for name in TEST_SPLITS if name in {*held} - {*train}), "")
    if given_test and (given_test not in held or given_test in train):
        raise _no_split(request, "test_split", given_test, held)
    if not test and len(train) > 1:
        raise _no_split(request, "test_split", "test", held)
    return train, (test,) if test else ()


def _no_split(request: Request, key: str, split: str, held: list[str]) -> Exception:
    return request.data_error(
        f"{split!r} is a training split too"
        if split in held
        else f"there is no folder {split!r} with class folders in it",
        key=f"task.dataset.{key}",
        must=f"must be one of {told(held)}",
        remedy=near_miss(split, held),
    )


def _list_rows(root: Path, splits: tuple[str, ...]) -> list[tuple[Path, str]]:
    """List images with their class, of the splits or of the folder itself."""
    roots = [root / split for split in splits] or [root]
    folders = [folder for place in roots for folder in _class_folders(place)]
    return [(file, folder.name) for folder in folders for file in list_images(folder)]


def _class_folders(root: Path) -> list[Path]:
    return [folder for folder in _folders(root) if list_images(folder)]


def _folders(root: Path) -> list[Path]:
    return sorted(place for place in root.iterdir() if place.is_dir() and place.name[0] != ".")


def _fingerprint(files: list[Path], root: Path) -> str:
    """Hash names, sizes and times: reading every image would take too long."""
    digest = hashlib.sha256()
    for file in files:
        facts = file.stat()
        digest.update(f"{file.relative_to(root)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
