from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import datasets

from raygen.data.fragments.folds import deal, split
from raygen.data.spec import Modality
from raygen.rank.checks import diagnose_rows
from raygen.rank.diagnosis import Diagnosis
from raygen.rank.label_noise import measure_noise, suspected_noise
from raygen.rank.rows import Rows, folds_of
from raygen.rank.value_noise import value_noise

FOLDS = 5


def rows_of(
    x: NDArray[Any], y: NDArray[Any], modality: Modality = "table", names: tuple[str, ...] = ()
) -> Rows:
    """These rows, dealt into folds as programs do it."""
    regression, fold = y.dtype.kind == "f", deal(y, FOLDS)
    return Rows(x=x, y=y, fold=fold, modality=modality, regression=regression, names=names)


def digits() -> Rows:
    """Images of ten classes."""
    found = datasets.load_digits()
    return rows_of(found.images[..., None].astype(np.uint8), found.target, "image")


def table(name: str) -> Rows:
    """A table that comes with scikit-learn."""
    found = getattr(datasets, f"load_{name}")()
    return rows_of(found.data, found.target, names=tuple(found.feature_names))


CLEAN: dict[str, Callable[[], Rows]] = {
    "digits": digits,
    **{n: lambda n=n: table(n) for n in ("iris", "wine", "breast_cancer", "diabetes")},  # type: ignore[misc]  # of n
}


def found(rows: Rows) -> list[Diagnosis]:
    """What is wrong with the rows."""
    return diagnose_rows(rows, folds=FOLDS)


def only(rows: Rows) -> Diagnosis:
    """The one thing that is wrong with the rows."""
    (told,) = found(rows)
    return told


def shuffled(rows: Rows, share: float, seed: int = 0) -> tuple[Rows, float]:
    """Rows with a share of their labels shuffled, and how many are wrong then."""
    rng, y = np.random.default_rng(seed), rows.y.copy()
    places = rng.permutation(len(y))[: round(share * len(y))]
    y[places] = rng.permutation(y[places])
    return replace(rows, y=y), float(np.mean(y != rows.y))


def texts(count: int, seed: int = 0) -> Rows:
    """Texts of two classes, which differ in what tokens they have."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    x = rng.integers(1, 2000, (count, 30))
    x[:, :4] = np.where(y, 5000, 6000)[:, None] + rng.integers(0, 20, (count, 4))
    x[:, 20:] = 0
    return rows_of(x, y, "text")


@pytest.mark.parametrize("name", CLEAN)
def test_clean_data_has_nothing(name: str) -> None:
    """Of what comes with scikit-learn nothing is said."""
    assert found(CLEAN[name]()) == []


def test_texts_are_looked_at_too() -> None:
    """Clean ones have nothing; wrong labels and duplicates are named."""
    assert found(texts(800)) == []
    noisy, _ = shuffled(texts(800), 0.3)
    assert [each.verdict for each in found(noisy)] == ["label noise"]


@pytest.mark.parametrize("name", ["digits", "wine", "breast_cancer", "iris"])
def test_shuffled_labels_are_found_and_counted(name: str) -> None:
    """Every fifth label is shuffled; about as many as are wrong then are told."""
    rows, wrong = shuffled(CLEAN[name](), 0.2)

    told = only(rows)
    percent = float(told.evidence.removeprefix("about ").split(" %")[0])

    assert told.verdict == "label noise"
    assert percent == pytest.approx(100 * wrong, abs=5)


def test_classes_that_overlap_are_no_noise() -> None:
    """Where the learner is wrong since it is unsure, no label is blamed."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1500)
    x = rng.normal(y[:, None], 1.2, (1500, 3))

    rows = rows_of(x, y)

    assert float(np.mean(rows.errors(rows.predictions, np.arange(1500)))) > 0.15
    assert found(rows) == []


def test_labels_that_nothing_tells_are_no_noise() -> None:
    """Of pure chance there is nothing to learn, and so nobody to contradict."""
    rng = np.random.default_rng(0)

    assert found(rows_of(rng.normal(size=(500, 4)), rng.integers(0, 2, 500))) == []


def test_the_confident_joint_is_that_of_the_paper() -> None:
    """Two classes by hand: thresholds 0.8 and 0.6; one row of class 0 counts for class 1."""
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    first = np.array([0.95, 0.95, 0.95, 0.35, 0.2, 0.4, 0.4, 0.6])

    # t_0 = mean(.95, .95, .95, .35) = .8; t_1 = mean(.8, .6, .6, .4) = .6
    noise = measure_noise(y, np.stack([first, 1 - first], axis=1))

    assert noise.share == pytest.approx(0.25 * 0.5)
    assert noise.all == pytest.approx(2 / 8)


def overlapping(
    gap: float, rows: int, *, shuffled: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of two normal classes so far apart, and the true probabilities of each label."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    odds = (2 * y - 1) * gap**2 / 2 + gap * rng.normal(size=rows)
    second = (1 - shuffled) / (1 + np.exp(-odds)) + shuffled / 2
    labels = np.where(rng.random(rows) < shuffled, rng.integers(0, 2, rows), y)
    return labels, np.stack([1 - second, second], axis=1)


@pytest.mark.parametrize("rows", [1500, 20_000])
@pytest.mark.parametrize("gap", [0.5, 0.7, 0.9, 1.1, 1.5, 2.5])
def test_a_candidate_suspects_no_label_where_classes_overlap(gap: float, rows: int) -> None:
    """However much: its surest predictions are right more often than those less sure."""
    told = [suspected_noise(*overlapping(gap, rows, seed=seed)) for seed in range(40)]

    assert (
        sum(each is not None for each in told) <= 1
    )  # each is said wrongly 5 times in 100 at most


def test_a_candidate_suspects_labels_where_a_simple_learner_is_too_weak() -> None:
    """A fifth of the labels drawn anew, 23 errors in 100, of which 10 are the labels'."""
    y, p = overlapping(2.0, 10_000, shuffled=0.2)

    told = suspected_noise(y, p)

    assert 0.22 < float(np.mean(p.argmax(axis=1) != y)) < 0.24
    assert not measure_noise(y, p).is_plain(0.5)
    assert told is not None
    assert told.verdict == "label noise suspected"
    share = float(told.evidence.split()[1])
    assert share == pytest.approx(10, abs=2)
    certain = (p > 0.5).astype(float)
    assert suspected_noise(y, certain) is None, "who is always sure says nothing"


def test_duplicates_across_folds_are_counted() -> None:
    """Copies of rows, some with another label, are told with their numbers."""
    rows = table("breast_cancer")
    again = np.arange(60)
    y = np.concatenate([rows.y, np.where(again < 10, 1 - rows.y[again], rows.y[again])])

    told = found(rows_of(np.concatenate([rows.x, rows.x[again]]), y))[0]

    assert told.verdict == "duplicates across folds"
    assert told.evidence.startswith("120 of 629 rows are there more than once, ")
    counts = [int(word) for word in told.evidence.replace(",", "").split() if word.isdecimal()]
    assert counts[2] == pytest.approx(96, abs=12)
    assert 12 <= counts[3] <= 20


def test_duplicates_within_a_fold_are_none() -> None:
    """Rows that are always trained or held out together flatter no score."""
    rows = table("iris")
    twice = rows_of(np.repeat(rows.x, 2, axis=0), np.repeat(rows.y, 2))
    apart = replace(twice, fold=np.arange(300) % 5)
    together = replace(twice, fold=np.repeat(deal(rows.y, FOLDS), 2))

    assert "duplicates across folds" in [each.verdict for each in found(apart)]
    assert "duplicates across folds" not in [each.verdict for each in found(together)]


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine", "diabetes"])
def test_a_column_that_tells_the_answer_is_named(name: str) -> None:
    """The target itself under another name; of a regression any rising curve of it."""
    rows = table(name)
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, len(rows.y))
    answer = np.exp(rows.y / 100) if rows.regression else rows.y + noise

    told = only(rows_of(np.column_stack([answer, rows.x]), rows.y, names=("paid", *rows.names)))

    assert told.verdict == "a column tells the answer"
    assert told.evidence.startswith("paid alone predicts the target with ")


def patients(seed: int = 0) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Rows of patients: who it is, what was measured, and whether he is ill."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(120), 6)
    usual = rng.normal(0, 1, (120, 4))
    ill = rng.permutation(np.arange(120) % 2)
    return who, usual[who] + rng.normal(0, 0.2, (720, 4)), ill[who]


def test_groups_that_folds_part_are_named() -> None:
    """Rows of one patient are alike; the column is named, and what keeps them together."""
    who, x, ill = patients()

    told = only(rows_of(np.column_stack([x, who]), ill, names=("a", "b", "c", "d", "patient")))

    assert told.verdict == "groups across folds"
    assert "values of patient lie in several folds" in told.evidence
    assert "rank: {split: grouped, by: patient}" in told.evidence


def test_groups_that_folds_keep_together_are_none() -> None:
    """Nothing is to be done."""
    who, x, ill = patients()
    rows = rows_of(np.column_stack([x, who]), ill)

    told = found(replace(rows, fold=who % FOLDS))

    assert "groups across folds" not in [each.verdict for each in told]


def test_names_that_tie_nothing_are_no_groups() -> None:
    """Whole numbers that repeat, with targets that do not go with them."""
    _, x, ill = patients()
    visits = np.random.default_rng(1).permutation(720) % 120
    apart = np.random.default_rng(2).permutation(720)

    rows = rows_of(np.column_stack([visits, x[apart] + 3 * ill[apart, None]]), ill[apart])

    assert [each.verdict for each in found(rows)] == []


def test_a_curve_that_still_rises_asks_for_more_rows() -> None:
    """A tenth of the digits is too few."""
    rows = digits()

    told = found(rows.at(np.arange(0, 1797, 10)))

    assert [each.verdict for each in told] == ["too few rows"]
    assert told[0].evidence.startswith("from 72 to 144 rows ")


def test_classes_with_fewer_rows_than_folds_are_named() -> None:
    """By their labels, with their numbers."""
    rows = table("iris")
    kept = np.concatenate([np.arange(100), [100, 101, 102]])

    (told,) = diagnose_rows(rows.at(kept), folds=FOLDS, classes=("setosa", "versi", "virginica"))

    assert told.verdict == "rare classes"
    assert told.evidence.endswith("fewer rows than the 5 folds: virginica 3")


def test_the_fold_of_each_row_is_that_of_the_program() -> None:
    """By its own ``split``."""
    y = datasets.load_iris().target

    assert (
        folds_of(lambda targets, fold: split(targets, fold), y, 5).tolist() == deal(y, 5).tolist()
    )


@pytest.mark.parametrize("count", [1, 4, 12, 40])
@pytest.mark.parametrize("kind", ["classes", "values"])
def test_odd_tables_are_looked_at_without_harm(count: int, kind: str) -> None:
    """Few rows, columns without a value or with one alone, numbers that no tree takes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 5))
    x[:, 0], x[:, 1], x[0, 2], x[0, 3] = np.nan, 1.0, 1e300, np.nan
    y = np.arange(count) % 7 if kind == "classes" else rng.normal(size=count)

    verdicts = {each.verdict for each in found(rows_of(x, y))}

    assert verdicts <= {"rare classes", "too few rows"}


def test_images_of_any_size_become_blocks() -> None:
    """The mean of each block of pixels; sides that do not divide, and small ones."""
    image = np.arange(40 * 7, dtype=np.uint16).reshape(1, 40, 7, 1)
    rows = rows_of(np.repeat(image, 3, axis=0), np.arange(3), "image")

    assert rows.features.shape == (3, 16 * 7)
    assert rows.features[0, 0] == image[0, :2, 0].mean()


def far_off(rows: Rows, share: float, seed: int = 0) -> Rows:
    """Rows of a regression with a share of their values shuffled."""
    rng, y = np.random.default_rng(seed), rows.y.copy()
    wrong = rng.permutation(len(y))[: round(share * len(y))]
    y[wrong] = rng.permutation(y[wrong])
    return replace(rows, y=y)


def friedman(noise: float, seed: int = 0) -> Rows:
    """2,000 rows of a smooth function of five columns."""
    return rows_of(*datasets.make_friedman1(2000, noise=noise, random_state=seed))


def test_values_that_sure_predictions_contradict_are_counted() -> None:
    """A fifth of them, in most draws, and about a fifth is told; of clean ones nothing is."""
    clean = [friedman(0.5, seed) for seed in range(5)]
    told = [value_noise(far_off(rows, 0.2, seed)) for seed, rows in enumerate(clean)]
    said = [each.evidence for each in told if each is not None]
    shares = [re.match(r"about (\d+) % of 2000 values may be wrong, or", each) for each in said]

    assert len(said) >= 3
    assert all(each is not None and 12 <= int(each[1]) <= 28 for each in shares)
    assert [value_noise(rows) for rows in clean] == [None] * 5


@pytest.mark.parametrize("kind", ["spread", "tail", "nothing learnt", "few rows"])
def test_what_is_no_wrong_value_is_not_called_one(kind: str) -> None:
    """Where the learner is unsure it errs; a long tail is no error, and guesses tell nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 6))
    y = {
        "spread": x[:, 0] + np.where(x[:, 1] > 0, 3.0, 0.1) * rng.normal(size=2000),
        "tail": np.exp(2 * x[:, 0] + 0.3 * rng.normal(size=2000)),
        "nothing learnt": rng.normal(size=2000),
        "few rows": x[:, 0],
    }[kind]
    rows = rows_of(x, y)
    if kind == "few rows":
        rows = far_off(rows.at(np.arange(200)), 0.2)

    assert value_noise(rows) is None
