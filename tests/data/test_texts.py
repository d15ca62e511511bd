"""Tests of texts: tokens of any language, hashes, lengths and vocabularies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raygen.data.fragments.frame_text import hash_token, tokenize
from raygen.data.loaders import load_arrays, loader_program
from raygen.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't stop!", ["don", "'", "t", "stop", "!"]),
        ("Größe 3,5", ["größe", "3", ",", "5"]),
        ("房间很好、5星。", ["房", "间", "很", "好", "、", "5", "星", "。"]),
        ("iPhone手机ok", ["iphone", "手", "机", "ok"]),
        ("すしと東京", ["す", "し", "と", "東", "京"]),
        ("한국어 좋아요", ["한국어", "좋아요"]),
        ("ดีมาก", ["ด", "ี", "ม", "า", "ก"]),
        ("हिन्दी भाषा।", ["हिन्दी", "भाषा", "।"]),
        ("cafe\u0301 noir", ["cafe\u0301", "noir"]),
        ("  \t\n", []),
        ("👍👍 wow", ["👍", "👍", "wow"]),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    """Words and marks are tokens, and each character of scripts that put no spaces."""
    assert tokens == tokenize(text)


def test_token_hashes_stay_as_they_are() -> None:
    """Saved models know tokens by their hashes: positive, of 63 bits, and never changing."""
    assert hash_token("好") == 9128793012223619863
    assert 0 < hash_token("good") < 2**63


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Chinese and English reviews of two classes, one of them missing."""
    texts = ["房间很好。早餐也好", "too loud , never again", "服务很差", "lovely place"] * 10
    frame = pd.DataFrame(
        {"review": texts, "stars": 5, "label": ["good", "bad", "bad", "good"] * 10}
    )
    frame.loc[0, "review"] = None
    frame.to_csv(tmp_path / "reviews.csv", index=False)
    return tmp_path / "reviews.csv"


def test_texts_become_rows_of_hashes(ask, reviews: Path) -> None:
    """Rows hold the hashes of the tokens, then zeros; a missing text is an empty row."""
    spec = ask("text", path=str(reviews))
    arrays = load_arrays(spec)
    both = np.concatenate([arrays["x"], arrays["x_test"]])

    assert all(array.flags.c_contiguous for array in arrays.values())
    assert spec.input_shape == (16,)
    assert spec.constants["TEXT"] == "review"
    assert spec.classes == ("bad", "good")
    assert [hash_token(token) for token in ("服", "务", "很", "差")] == next(
        row[:4].tolist() for row in both if row[0] == hash_token("服")
    )
    assert (both.sum(axis=1) == 0).sum() == 1


def test_vocabulary_is_that_of_the_rows_given(ask, bind, reviews: Path) -> None:
    """Only tokens of the training rows of a fold have numbers; others are 1, padding is 0."""
    spec = ask("text", path=str(reviews))
    inputs = bind(spec)
    x = load_arrays(spec)["x"]
    chinese = x[(x == hash_token("很")).any(axis=1)]
    statistics = inputs.fit_preprocessing(chinese)
    ready = inputs.preprocess(x, statistics)

    assert np.int32 == ready.dtype
    assert (ready[x == 0] == 0).all()
    assert (ready[x == hash_token("loud")] == 1).all()
    assert (ready[x == hash_token("很")] >= 2).all()
    assert ready.max() < spec.constants["VOCABULARY"]


def test_vocabulary_keeps_the_most_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frequent tokens come first; among equally frequent ones the smaller hash."""
    from raygen.data.fragments import inputs_text

    monkeypatch.setattr(inputs_text, "VOCABULARY", 4)
    statistics = inputs_text.fit_preprocessing(np.array([[9, 9, 9, 5], [5, 7, 7, 0]]))

    assert statistics["vocabulary"].tolist() == [5, 9]


def test_max_length(ask, reviews: Path) -> None:
    """The YAML may say how many tokens are read."""
    spec = ask("text", path=str(reviews), max_length=3)

    assert spec.input_shape == (3,)
    assert load_arrays(spec)["x"].shape[1:] == (3,)


def test_texts_of_digits(ask, tmp_path: Path) -> None:
    """A column of texts that look like numbers stays as it is written."""
    frame = pd.DataFrame({"text": ["007", "12"] * 10, "label": [0, 1] * 10})
    frame.to_csv(tmp_path / "codes.csv", index=False)

    x = load_arrays(ask("text", path=str(tmp_path / "codes.csv")))["x"]

    assert {hash_token("007"), hash_token("12")} == set(x[:, 0])


def test_predicting_texts_of_digits(ask, tmp_path: Path) -> None:
    """Texts to predict stay as they are written, though the training rows are no csv file."""
    frame = pd.DataFrame({"text": ["007", "12"] * 10, "label": [0, 1] * 10})
    frame.to_parquet(tmp_path / "codes.parquet")
    frame[["text"]].to_csv(tmp_path / "new.csv", index=False)
    program = loader_program(ask("text", path=str(tmp_path / "codes.parquet")))

    x = program["read_inputs"](str(tmp_path / "new.csv"))

    assert [hash_token("007"), hash_token("12")] * 10 == x[:, 0].tolist()


@pytest.mark.parametrize(
    ("columns", "keys", "told"),
    [
        ({"a": "x y", "b": "z"}, {}, "which column holds the text? The columns are a, b, label"),
        ({"text": "x y"}, {"text": "txt"}, "task.dataset.text: there is no column 'txt'"),
        ({"text": " "}, {}, "column 'text' holds no text"),
    ],
)
def test_texts_that_cannot_be_found(ask, tmp_path: Path, columns, keys, told: str) -> None:
    """Where it is not clear which column is meant, the columns are listed."""
    frame = pd.DataFrame({**columns, "label": [0, 1] * 10})
    frame.to_parquet(tmp_path / "texts.parquet")

    with pytest.raises((ConfigError, DataError)) as caught:
        ask("text", path=str(tmp_path / "texts.parquet"), **keys)

    assert told in str(caught.value)
