"""Tests of real data sets, which lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raygen.data.loaders import load_arrays

TEXTS = [
    ("ag_news", 6080, 1520, (80,), 4),
    ("sst2", 6920, 1821, (48,), 2),
    ("chnsenticorp_hotel", 6212, 1553, (256,), 2),
    ("thucnews_titles", 10000, 10000, (32,), 10),
]


def count_shared_rows(arrays: dict[str, np.ndarray]) -> int:
    """Count test rows that stand in the training rows too."""
    known = {row.tobytes() for row in arrays["x"]}
    return sum(row.tobytes() in known for row in arrays["x_test"])


def test_fashion_mnist(ask, shared_data: Path) -> None:
    """Fashion-MNIST is read with its own test images."""
    spec = ask("image", path=str(shared_data / "images" / "fashion_mnist.npz"), folds=5)
    arrays = load_arrays(spec)

    assert arrays["x"].shape == (12000, 28, 28, 1)
    assert arrays["x_test"].shape == (3000, 28, 28, 1)
    assert spec.class_counts == (1200,) * 10
    assert count_shared_rows(arrays) == 0


@pytest.mark.slow
def test_cifar10(ask, shared_data: Path) -> None:
    """CIFAR-10 is decoded from its JPEG bytes."""
    spec = ask("image", path=str(shared_data / "images" / "cifar10.parquet"), folds=5)
    arrays = load_arrays(spec)

    assert arrays["x"].shape == (25000, 32, 32, 3)
    assert (2500,) * 10 == spec.class_counts == tuple(np.bincount(arrays["y"]))
    assert tuple(np.bincount(arrays["y_test"])) == (500,) * 10


def test_cifar10_is_inspected_without_decoding_it(ask, shared_data: Path) -> None:
    """Shape and classes of CIFAR-10 are known from headers and labels."""
    spec = ask("image", path=str(shared_data / "images" / "cifar10.parquet"), folds=5)

    assert spec.input_shape == (32, 32, 3)
    assert (spec.num_rows, spec.num_test_rows) == (25000, 5000)


def test_adult(ask, bind, shared_data: Path) -> None:
    """Adult has six numeric and eight categorical columns, three of them with gaps."""
    spec = ask("table", path=str(shared_data / "tabular" / "adult.parquet"), target="income")
    arrays = load_arrays(spec)
    inputs = bind(spec)
    ready = inputs.preprocess(arrays["x"], inputs.fit_preprocessing(arrays["x"]))

    assert (spec.num_rows, spec.num_test_rows) == (32561, 16281)
    assert spec.classes == ("<=50K", ">50K")
    assert len(spec.constants["NUMERIC"]) == 6
    assert len(spec.constants["CATEGORIES"]) == 8
    assert spec.constants["MISSING"] == ("workclass", "occupation", "native_country")
    assert (32561, *spec.input_shape) == ready.shape


def test_california_housing(ask, shared_data: Path) -> None:
    """California housing is a regression with a gap and a categorical column."""
    path = shared_data / "tabular" / "california_housing.parquet"
    spec = ask("table", path=str(path), target="median_house_value", regression=True, folds=5)
    arrays = load_arrays(spec)

    assert arrays["x"].shape == (16512, 9)
    assert arrays["y_test"].shape == (4128,)
    assert spec.constants["MISSING"] == ("total_bedrooms",)
    assert count_shared_rows(arrays) == 0


@pytest.mark.parametrize(("name", "rows", "test_rows", "shape", "classes"), TEXTS)
def test_texts(ask, bind, shared_data: Path, name, rows, test_rows, shape, classes) -> None:
    """English and Chinese texts are read as tokens, most of which the vocabulary knows."""
    spec = ask("text", path=str(shared_data / "text" / f"{name}.parquet"), folds=5)
    arrays = load_arrays(spec)
    inputs = bind(spec)
    ready = inputs.preprocess(arrays["x_test"], inputs.fit_preprocessing(arrays["x"]))

    assert (rows, test_rows, shape) == (spec.num_rows, spec.num_test_rows, spec.input_shape)
    assert (rows, *shape) == arrays["x"].shape
    assert classes == spec.num_classes == len(set(arrays["y_test"]))
    assert ready.max() < spec.constants["VOCABULARY"]
    assert (ready == 1).sum() < 0.1 * (ready > 0).sum()


def test_inspection_is_repeatable(ask, shared_data: Path) -> None:
    """The same file gives the same description."""
    path = str(shared_data / "text" / "sst2.parquet")

    assert ask("text", path=path) == ask("text", path=path)
