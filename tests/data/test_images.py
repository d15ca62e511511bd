"""Tests of images: the bundled digits, npz files, folders and encoded images in tables."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from raygen.data import encoded_images
from raygen.data.fragments.inputs_image import augment, fit_preprocessing, preprocess
from raygen.data.inspect import DIGITS_COUNTS
from raygen.data.loaders import load_arrays, loader_program
from raygen.errors import ConfigError, DataError


def test_digits_are_as_the_table_says(ask) -> None:
    """The counts written down for the digits are those of scikit-learn, and so are the rows."""
    from sklearn.datasets import load_digits

    spec = ask("image", name="digits", train_split="train", test_split="test", folds=5)
    arrays = load_arrays(spec)

    assert list(DIGITS_COUNTS) == np.bincount(load_digits().target).tolist()
    assert (spec.num_rows, *spec.input_shape) == arrays["x"].shape
    assert spec.num_test_rows == len(arrays["x_test"]) == 360
    assert list(spec.class_counts) == np.bincount(arrays["y"]).tolist()
    assert arrays["x"].dtype == np.uint8


def test_digits_test_rows_do_not_train(ask) -> None:
    """Training and test rows of the digits together are all images, each once."""
    from sklearn.datasets import load_digits

    arrays = load_arrays(ask("image", name="digits"))
    both = np.concatenate([arrays["x"], arrays["x_test"]]).reshape(-1, 64)

    assert sorted(both.tolist()) == sorted(load_digits().data.astype(int).tolist())


def test_npz_with_test_images(ask, tmp_path: Path) -> None:
    """Four arrays are read as they are; labels become their places among the sorted labels."""
    x = np.random.default_rng(0).integers(0, 256, (12, 5, 4), dtype=np.uint8)
    labels = np.array(["b", "a", "c"] * 4)
    path = tmp_path / "four.npz"
    np.savez(path, x_train=x[:9], y_train=labels[:9, None], x_test=x[9:], y_test=labels[9:, None])

    spec = ask("image", path=str(path))
    arrays = load_arrays(spec)

    assert spec.input_shape == (5, 4, 1)
    assert spec.classes == ("a", "b", "c")
    assert spec.class_counts == (3, 3, 3)
    assert np.array_equal(x[:9, ..., None], arrays["x"])
    assert arrays["y_test"].tolist() == [1, 0, 2]


def test_npz_without_test_images(ask, tmp_path: Path) -> None:
    """A fifth of each class is dealt out where the file names no test images."""
    x = np.arange(50 * 4 * 4 * 3, dtype=np.uint32).astype(np.uint8).reshape(50, 4, 4, 3)
    np.savez(tmp_path / "two.npz", x=x, y=np.repeat([3, 7], [40, 10]))

    spec = ask("image", path=str(tmp_path / "two.npz"), folds=5)
    arrays = load_arrays(spec)

    assert (spec.num_rows, spec.num_test_rows) == (40, 10)
    assert spec.class_counts == (32, 8)
    assert np.bincount(arrays["y"]).tolist() == [32, 8]


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"a": np.zeros(3)}, "holds the arrays a; must hold x_train"),
        ({"x": np.zeros((4, 3, 3)), "y": np.arange(4)}, "x is float64 of shape (4, 3, 3)"),
        ({"x": np.zeros((4, 3, 3), np.uint8), "y": np.arange(5)}, "x has 4 rows, its labels 5"),
        ({"x": np.zeros((4, 3, 3), np.uint8), "y": np.full(4, 0.5)}, "the labels of x are float64"),
        ({"x": np.zeros((9, 3, 3), np.uint8), "y": np.zeros(9, int)}, "all 7 training rows are of"),
        ({"x": np.zeros((4, 3, 3), np.uint8), "y": np.array([{}] * 4)}, "cannot be read"),
    ],
    ids=["names", "floats", "lengths", "labels", "one class", "pickle"],
)
def test_npz_that_cannot_be_used(ask, tmp_path: Path, arrays, told: str) -> None:
    """Each thing wrong with an npz file is one line with the line of the YAML."""
    np.savez(tmp_path / "bad.npz", **arrays)

    with pytest.raises(DataError) as caught:
        ask("image", path=str(tmp_path / "bad.npz"))

    assert str(caught.value).startswith("config.yaml:7: task.dataset.path: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_npz(ask, tmp_path: Path) -> None:
    """A file that only looks like an npz is refused in one line."""
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")

    with pytest.raises(DataError, match="cannot be read"):
        ask("image", path=str(tmp_path / "torn.npz"))


@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"), ("x", "y")])
@pytest.mark.parametrize("shape", [(20, 6, 5), (20, 6, 5, 3)])
def test_npz_in_fortran_order(ask, tmp_path: Path, names, shape) -> None:
    """However a file lays out its images, they are loaded image after image, with the same values.

    Workers share copies in that order, and sums of another order differ in their last digits.
    """
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for order in "CF":
        columns = [np.asarray(x, order=order), np.arange(20) % 2] * (len(names) // 2)
        np.savez(tmp_path / f"{order}.npz", **dict(zip(names, columns, strict=True)))
    np.save(tmp_path / "new.npy", np.asfortranarray(x))

    spec = ask("image", path=str(tmp_path / "F.npz"))
    arrays, expected = load_arrays(spec), load_arrays(ask("image", path=str(tmp_path / "C.npz")))

    assert all(array.flags.c_contiguous for array in arrays.values())
    assert all(np.array_equal(arrays[name], expected[name]) for name in expected)
    assert loader_program(spec)["read_inputs"](str(tmp_path / "new.npy")).flags.c_contiguous


def test_digits_to_predict_in_fortran_order(ask, tmp_path: Path) -> None:
    """Digits to predict lie image after image in memory too."""
    x = np.arange(5 * 64, dtype=np.uint8).reshape(5, 8, 8)
    np.save(tmp_path / "new.npy", np.asfortranarray(x))

    read = loader_program(ask("image", name="digits"))["read_inputs"](str(tmp_path / "new.npy"))

    assert read.flags.c_contiguous
    assert np.array_equal(read[..., 0], x)


def test_predicting_from_npy_and_npz(ask, tmp_path: Path) -> None:
    """Images to predict come from a bare array, or from the x of an npz file."""
    x = np.zeros((20, 6, 6), np.uint8)
    np.savez(tmp_path / "both.npz", x=x, y=np.arange(20) % 2)
    np.save(tmp_path / "new.npy", x)
    program = loader_program(ask("image", path=str(tmp_path / "both.npz")))

    assert program["read_inputs"](str(tmp_path / "new.npy")).shape == (20, 6, 6, 1)
    assert program["read_inputs"](str(tmp_path / "both.npz")).shape == (20, 6, 6, 1)


def test_folder_of_classes(ask, image_folder: Path) -> None:
    """Class folders are read with a fifth as test rows; files that are no images are left out."""
    spec = ask("image", path=str(image_folder))
    arrays = load_arrays(spec)

    assert all(array.flags.c_contiguous for array in arrays.values())
    assert spec.classes == ("dark", "light")
    assert spec.input_shape == (6, 8, 3)
    assert (spec.num_rows, spec.num_test_rows) == (8, 2)
    assert arrays["x"].shape == (8, 6, 8, 3)
    assert ((arrays["x"].mean(axis=(1, 2, 3)) > 100) == arrays["y"]).all()
    assert loader_program(spec)["read_inputs"](str(image_folder / "dark" / "0.png")).shape == (
        1,
        6,
        8,
        3,
    )


def test_folder_of_splits(ask, image_folder: Path, tmp_path: Path) -> None:
    """Folders train, dev and test are splits; those of training can be joined."""
    for split in ("train", "dev", "test"):
        shutil.copytree(image_folder, tmp_path / "all" / split)

    spec = ask("image", path=str(tmp_path / "all"))
    joined = ask("image", path=str(tmp_path / "all"), train_split="train+dev")

    assert (spec.num_rows, spec.num_test_rows) == (10, 10)
    assert (joined.num_rows, joined.num_test_rows) == (20, 10)
    assert load_arrays(joined)["x"].shape == (20, 6, 8, 3)
    with pytest.raises(
        DataError, match=r"task.dataset.train_split: .*'tran'.*did you mean 'train'"
    ):
        ask("image", path=str(tmp_path / "all"), train_split="tran")


def test_images_of_several_sizes(ask, image_folder: Path, png) -> None:
    """Images of several sizes are brought to one: 64, or the size that the YAML gives."""
    (image_folder / "dark" / "large.png").write_bytes(png(9, (50, 40)))

    assert ask("image", path=str(image_folder)).input_shape == (64, 64, 3)
    spec = ask("image", path=str(image_folder), image_size=16)
    assert spec.input_shape == (16, 16, 3)
    assert load_arrays(spec)["x"].shape[1:] == (16, 16, 3)


def test_a_file_that_is_no_image(ask, image_folder: Path) -> None:
    """A damaged image is named."""
    (image_folder / "dark" / "torn.png").write_bytes(b"no image")

    with pytest.raises(DataError, match=r"torn\.png is not an image"):
        ask("image", path=str(image_folder))


def _torn(suffix: str) -> bytes:
    """Encode an image of many shades, and cut off its end."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    kind = {".png": "PNG", ".jpeg": "JPEG", ".bmp": "BMP"}[suffix]
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()[:-40]


@pytest.mark.parametrize("suffix", [".png", ".jpeg", ".bmp"])
@pytest.mark.parametrize("splits", [("",), ("train", "test")], ids=["dealt", "splits"])
def test_torn_image(
    ask,
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    splits,
    suffix: str,
) -> None:
    """An image whose header is whole and whose pixels are not is named when it is decoded.

    The first ones are when a config is checked, those behind them before anything is trained.
    """
    for split in splits:
        shutil.copytree(image_folder, tmp_path / "all" / split, dirs_exist_ok=True)
    torn = tmp_path / "all" / splits[0] / "light" / f"torn{suffix}"
    torn.write_bytes(_torn(suffix))
    with pytest.raises(DataError, match="is not an image that can be read: "):
        ask("image", path=str(tmp_path / "all"))
    monkeypatch.setattr(encoded_images, "DECODED", 0)
    spec = ask("image", path=str(tmp_path / "all"))

    with pytest.raises(DataError) as caught:
        load_arrays(spec)

    assert f"{torn} is not an image that can be read: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_torn_image_in_parquet(ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, png) -> None:
    """A torn image of a table is named by its row."""
    cells = [png(shade) for shade in (0, 250) * 10]
    cells[7] = _torn(".png")
    frame = pd.DataFrame({"image": cells, "label": [0, 1] * 10})
    frame.to_parquet(tmp_path / "images.parquet")
    monkeypatch.setattr(encoded_images, "DECODED", 0)
    spec = ask("image", path=str(tmp_path / "images.parquet"))

    with pytest.raises(DataError, match="image of row 7 is not an image that can be read"):
        load_arrays(spec)


@pytest.mark.parametrize("splits", [("",), ("train", "test")], ids=["dealt", "splits"])
def test_every_kind_of_image_is_read(ask, image_folder: Path, tmp_path: Path, splits) -> None:
    """Images count whatever Pillow calls their kind, in capitals too; hidden files do not."""
    kinds = {"a.jpeg": "JPEG", "b.JPEG": "JPEG", "c.webp": "WEBP", "d.bmp": "BMP", "e.GIF": "GIF"}
    for name, kind in (kinds | {"f.ppm": "PPM", "g.Tif": "TIFF"}).items():
        Image.new("RGB", (8, 6), (200, 200, 200)).save(image_folder / "light" / name, kind)
    (image_folder / "light" / "._a.jpeg").write_bytes(b"what macOS leaves beside an image")
    for split in splits:
        shutil.copytree(image_folder, tmp_path / "all" / split, dirs_exist_ok=True)

    spec = ask("image", path=str(tmp_path / "all"))
    arrays = load_arrays(spec)
    program = loader_program(spec)

    assert spec.num_rows + spec.num_test_rows == 17 * len(splits)
    assert (spec.num_rows, spec.num_test_rows) == (len(arrays["x"]), len(arrays["x_test"]))
    assert np.bincount(arrays["y"]).tolist() == list(spec.class_counts)
    assert {".gif", ".jpeg", ".jpg", ".ppm", ".webp"} <= set(spec.constants["SUFFIXES"])
    assert len(program["read_inputs"](str(image_folder / "light"))) == 12


@pytest.mark.parametrize("name", ["photo", "photo.jpg_large", "photo.HEIC", "drawing.svg"])
def test_images_are_not_left_out_in_silence(ask, image_folder: Path, png, name: str) -> None:
    """A file that looks like an image, by content or name, but would be passed over is told."""
    (image_folder / "others").mkdir()
    content = png(3) if name.startswith("photo") else b"<svg/>"
    (image_folder / "others" / name).write_bytes(content)

    with pytest.raises(DataError, match=rf"others.{name} looks like an image") as caught:
        ask("image", path=str(image_folder))

    assert str(caught.value).startswith("config.yaml:7: task.dataset.path: ")


def test_other_files_beside_images(ask, image_folder: Path) -> None:
    """Files that are no images may lie in a class folder, and change nothing."""
    expected = ask("image", path=str(image_folder))
    for name in ("README", "Thumbs.db", "data.h5", ".hidden", "P3 sizes.txt", "model.py"):
        (image_folder / "dark" / name).write_bytes(b"\x89HDF\r\n\x1a\n no image")

    assert ask("image", path=str(image_folder)) == expected


def test_folder_without_images(ask, tmp_path: Path) -> None:
    """A folder without class folders is refused with what it must hold."""
    with pytest.raises(DataError, match="must hold one folder of images for each class"):
        ask("image", path=str(tmp_path))


@pytest.mark.parametrize("wrap", [lambda cell: cell, lambda cell: {"bytes": cell, "path": None}])
def test_encoded_images_in_parquet(ask, tmp_path: Path, png, wrap: Callable) -> None:
    """Bytes, and the dicts that the hub writes, are decoded; grey images have one channel."""
    cells = [wrap(png(shade, mode="L")) for shade in (0, 250) * 10]
    split = ["train"] * 14 + ["test"] * 6
    frame = pd.DataFrame({"img": cells, "fine": range(20), "label": [0, 1] * 10, "split": split})
    frame.to_parquet(tmp_path / "images.parquet")

    spec = ask("image", path=str(tmp_path / "images.parquet"))
    arrays = load_arrays(spec)

    assert all(array.flags.c_contiguous for array in arrays.values())
    assert spec.input_shape == (6, 8, 1)
    assert arrays["x"].shape == (14, 6, 8, 1)
    assert (arrays["x_test"][:, 0, 0, 0] == 250 * arrays["y_test"]).all()


def test_keys_that_mean_nothing_are_refused(ask) -> None:
    """A key that would be passed over in silence is refused with its line."""
    with pytest.raises(ConfigError, match=r"config.yaml:7: task.dataset.target: means nothing"):
        ask("image", name="digits", target="label")
    with pytest.raises(ConfigError, match=r"task.dataset.test_split: .* has no split 'dev'"):
        ask("image", name="digits", test_split="dev")


def test_statistics_of_channels() -> None:
    """Channels are centred and scaled by the rows given, exactly, and a constant one is kept."""
    x = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 2), dtype=np.uint8)
    x[..., 1] = 17
    statistics = fit_preprocessing(x)
    scaled = preprocess(x, statistics)

    assert statistics["mean"] == pytest.approx(x.mean(axis=(0, 1, 2)), rel=1e-6)
    assert statistics["std"][0] == pytest.approx(x[..., 0].std(), rel=1e-6)
    assert scaled.dtype == np.float32
    assert scaled.shape == x.shape
    assert np.abs(scaled[..., 1]).max() == 0
    assert scaled[..., 0].std() == pytest.approx(1, abs=1e-4)


def test_shift_moves_by_an_eighth_at_most() -> None:
    """A shifted image is the image moved by up to an eighth of its side, over black."""
    x = np.zeros((200, 16, 16, 3), np.uint8)
    x[:, 8, 8] = 255
    shifted = augment(x, "shift", np.random.default_rng(0))
    _, rows, columns, _ = np.nonzero(shifted[..., :1])

    assert shifted.dtype == np.uint8
    assert {6, 7, 8, 9, 10} == set(rows) == set(columns)
    assert x.sum() == shifted.sum()


def test_flips_mirror_about_half_of_the_images() -> None:
    """With flips about half of the images are mirrored, each as a whole."""
    x = np.random.default_rng(0).integers(0, 256, (400, 4, 4, 1), dtype=np.uint8)
    flipped = augment(x, "shift_flip", np.random.default_rng(1))
    is_mirror = (flipped == x[:, :, ::-1]).all(axis=(1, 2, 3))

    assert ((flipped == x).all(axis=(1, 2, 3)) | is_mirror).all()
    assert 150 < is_mirror.sum() < 250


def test_augmentation_depends_on_its_generator_only() -> None:
    """The same generator gives the same images, and "none" gives them as they are."""
    x = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    first, second = (augment(x, "shift_flip", np.random.default_rng(5)) for _ in range(2))

    assert np.array_equal(first, second)
    assert augment(x, "none", np.random.default_rng(5)) is x
