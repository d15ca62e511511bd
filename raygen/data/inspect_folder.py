"""What images does a folder hold, by class and perhaps by split?"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from raygen.data.encoded_images import image_constants, image_shape, image_suffixes, is_image
from raygen.data.fragments.folder import SUFFIXES
from raygen.data.fragments.folds import deal
from raygen.data.request import TEST_SPLITS, Request, near_miss, told
from raygen.data.spec import DataSpec

NOTES = (".csv", ".json", ".md", ".txt", ".xml", ".yaml", ".yml")
"""Files that may lie beside the images, one for each; they are not opened."""
UNREADABLE = (
    *(".arw", ".cr2", ".cr3", ".dng", ".emf", ".eps", ".heic", ".heif", ".jxl", ".nef", ".ps"),
    *(".raw", ".svg", ".wmf"),
)
"""How the names of images end that Pillow does not read."""


def inspect_folder(request: Request, uri: str, source: str) -> DataSpec:
    """Describe ``folder/class/image`` or ``folder/split/class/image`` without decoding the images.

    Raises:
        DataError: There are no such folders, no images in them, a file that is no image, or one
            that would be passed over although it looks like an image.
    """
    train, test = _find_splits(request, Path(uri))
    if train and not test:  # the only split there is: its classes are dealt
        uri, train = str(Path(uri) / train[0]), ()
    _refuse_unread(request, Path(uri), train + test)
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
    suffixes = {file.suffix.lower() for file, _ in everything}
    constants = {"DATA": uri, "CLASSES": classes}
    constants["SUFFIXES"] = tuple(sorted(suffixes.union(SUFFIXES)))  # the usual ones to predict
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


def _refuse_unread(request: Request, root: Path, splits: tuple[str, ...]) -> None:
    """Refuse an image that would be left out because its name does not end as those of images."""
    for place in [root / split for split in splits] or [root]:
        for folder in _folders(place):
            for file in _files(folder):
                suffix = file.suffix.lower()
                if suffix in image_suffixes() or suffix in NOTES:
                    continue
                if suffix in UNREADABLE or is_image(file):
                    raise request.data_error(
                        f"{file} looks like an image, but is not read by its name",
                        must=f"must end in one of {told(SUFFIXES)}",
                        remedy="convert or rename it, or move it away",
                    )


def _list_rows(root: Path, splits: tuple[str, ...]) -> list[tuple[Path, str]]:
    """List images with their class, of the splits or of the folder itself."""
    roots = [root / split for split in splits] or [root]
    folders = [folder for place in roots for folder in _class_folders(place)]
    return [(file, folder.name) for folder in folders for file in _images(folder)]


def _class_folders(root: Path) -> list[Path]:
    return [folder for folder in _folders(root) if _images(folder)]


def _images(folder: Path) -> list[Path]:
    """List images as the loader will, whose SUFFIXES are those found here."""
    return [file for file in _files(folder) if file.suffix.lower() in image_suffixes()]


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith("."))


def _folders(root: Path) -> list[Path]:
    return sorted(place for place in root.iterdir() if place.is_dir() and place.name[0] != ".")


def _fingerprint(files: list[Path], root: Path) -> str:
    """Hash names, sizes and times: reading every image would take too long."""
    digest = hashlib.sha256()
    for file in files:
        facts = file.stat()
        digest.update(f"{file.relative_to(root)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
