"""How do recordings and what is said in them become arrays?"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import wavfile
from scipy.signal import resample_poly
from transformers import AutoTokenizer

from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.finetune.fragments.frame_file import read_frame

DATA = "data/clips.csv"
PRETRAINED = "openai/whisper-tiny.en"
AUDIO = "file"
TARGET = "transcript"
RATE = 16_000
SAMPLES = 48_000
NEW_TOKENS = 32
START = 50257


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the sounds with their transcripts as token numbers: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path, [TARGET]))
    folder = Path(path).parent
    return read_sounds(train, folder), encode(train), read_sounds(test, folder), encode(test)


def read_inputs(path: str) -> np.ndarray:
    """Read the sounds to write down from a file with the same column of sounds."""
    return read_sounds(read_frame(path), Path(path).parent)


def read_sounds(frame: pd.DataFrame, folder: Path) -> np.ndarray:
    """The first SAMPLES of each sound, RATE a second: int16 (rows, SAMPLES), filled with 0."""
    x = np.zeros((len(frame), SAMPLES), np.int16)
    for row, cell in zip(x, frame[AUDIO], strict=True):
        content = cell["bytes"] if isinstance(cell, dict) else cell
        wave = read_wave(folder / content if isinstance(content, str) else io.BytesIO(content))
        row[: len(wave)] = wave[:SAMPLES]
    return x


def read_wave(file: Path | io.BytesIO) -> np.ndarray:
    """Read a wav file as 16-bit samples at RATE; channels are averaged."""
    rate, wave = wavfile.read(file)
    silent = 128 if wave.dtype == np.uint8 else 0
    top = silent or (np.iinfo(wave.dtype).max if wave.dtype.kind == "i" else 1)
    scaled = (wave.astype(np.float32) - silent) / top
    scaled = scaled.mean(axis=1) if scaled.ndim > 1 else scaled
    divisor = math.gcd(rate, RATE)
    scaled = resample_poly(scaled, RATE // divisor, rate // divisor)
    samples: np.ndarray = (scaled.clip(-1, 1) * 32767).astype(np.int16)
    return samples


def encode(frame: pd.DataFrame) -> np.ndarray:
    """Number the first NEW_TOKENS tokens of each transcript, without START; -100 fills."""
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    y = np.full((len(frame), NEW_TOKENS), -100, np.int64)
    for row, text in zip(y, frame[TARGET], strict=True):
        tokens = tokenizer.encode(text, truncation=True, max_length=NEW_TOKENS)
        tokens = tokens[1:] if tokens[:1] == [START] else tokens
        row[: len(tokens)] = tokens
    return y


def row_lengths(x: np.ndarray) -> np.ndarray:
    """Count the samples of each row up to the last that is not silent, at least one."""
    lengths: np.ndarray = x.shape[1] - (x[:, ::-1] != 0).argmax(axis=1)
    return lengths
