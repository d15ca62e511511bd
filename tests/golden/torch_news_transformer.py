"""Text classification, news: a PyTorch network found by RayGen.

python model.py                  train on all training rows, score the test rows, save the weights
python model.py --cv             repeat the k-fold cross-validation
python model.py --predict FILE   predict with the saved weights, one line of JSON for each row
torchrun --nproc_per_node=8 model.py
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from torch import nn

DATA = "data/news.parquet"
TEXT = "text"
MAX_LENGTH = 24
TARGET = "label"
TRAIN_SPLIT = "train"
TEST_SPLIT = "test"
CLASSES = ["business", "science", "sport", "world"]
VOCABULARY = 60
METRIC = "accuracy"
SEED = 0
FOLDS = 5
EPOCHS = 4
THREADS = 1
SCHEDULE: list[tuple[int, dict[str, Any]]] = [
    (
        0,
        {
            "learning_rate": 0.003,
            "warmup_epochs": 1.0,
            "weight_decay": 0.01,
            "batch_size": 64,
            "label_smoothing": 0.05,
        },
    ),
]

RANK, WORLD_SIZE = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
DEVICE = torch.device("cpu")
if torch.cuda.is_available():
    DEVICE = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
torch.set_num_threads(THREADS)

Statistics = dict[str, np.ndarray]
Report = Callable[[dict[str, Any], Callable[[str], None]], None]


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the texts as tokens, and their class numbers: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path, [TEXT]))
    return as_tokens(train), read_target(train), as_tokens(test), read_target(test)


def read_inputs(path: str) -> np.ndarray:
    """Read the texts to predict from a file with the same column of texts."""
    return as_tokens(read_frame(path, [TEXT]))


def as_tokens(frame: pd.DataFrame) -> np.ndarray:
    """Hash the first MAX_LENGTH tokens of each text; zeros fill the rest of its row."""
    x = np.zeros((len(frame), MAX_LENGTH), np.int64)
    for row, text in zip(x, frame[TEXT].fillna("").astype(str), strict=True):
        tokens = [hash_token(token) for token in tokenize(text)[:MAX_LENGTH]]
        row[: len(tokens)] = tokens
    return x


def tokenize(text: str) -> list[str]:
    """Split into words, marks, and the single characters of scripts that put no spaces."""
    unspaced = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff"
    accents = r"\u0300-\u036f\u0591-\u05c7\u064b-\u0670\u0900-\u0963\u0966-\u0dff"
    token = rf"[{unspaced}]|(?:[^\W{unspaced}]|[{accents}])+|[^\w\s]"
    return re.findall(token, text.lower())


@functools.cache
def hash_token(token: str) -> int:
    """Name a token by 63 bits: a number above 0, the same everywhere."""
    digest = hashlib.blake2b(token.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1 | 1


def read_frame(path: str, as_text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a .parquet file; or a .csv file, some columns as text even if they hold digits."""
    if path.endswith(".csv"):
        return pd.read_csv(path, dtype=dict.fromkeys(as_text, str))
    return pd.read_parquet(path)


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the training rows from the test rows; rows of other splits are left out."""
    frame = frame.dropna(subset=[TARGET])
    is_train = frame["split"].isin(TRAIN_SPLIT.split("+"))
    return frame[is_train], frame[frame["split"] == TEST_SPLIT]


def read_target(frame: pd.DataFrame) -> np.ndarray:
    """Turn labels into class numbers: their places in CLASSES."""
    number = {label: place for place, label in enumerate(CLASSES)}
    return np.array([number[label] for label in frame[TARGET]], np.int64)


def split(y: np.ndarray, fold: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the training and the validation rows of a fold; without a fold, all rows train."""
    part = deal(y, FOLDS)
    return np.flatnonzero(part != fold), np.flatnonzero(part == fold)


def deal(y: np.ndarray, parts: int, seed: int = SEED) -> np.ndarray:
    """Deal shuffled rows out in the order of their class or value: every part gets its share."""
    order = np.random.default_rng(seed).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    part = np.empty(len(y), np.int64)
    part[order] = np.arange(len(y)) % parts
    return part


def fit_preprocessing(x: np.ndarray) -> dict[str, np.ndarray]:
    """Choose the vocabulary: the most frequent tokens of the training rows, two numbers apart."""
    hashes, counts = np.unique(x[x > 0], return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[: VOCABULARY - 2]
    return {"vocabulary": np.sort(hashes[frequent])}


def preprocess(x: np.ndarray, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Number the tokens from 2 up; 0 is padding, 1 a token outside of the vocabulary: int32."""
    vocabulary = statistics["vocabulary"]
    place = np.searchsorted(vocabulary, x)
    is_known = np.append(vocabulary, 0)[place] == x
    return np.where(x == 0, 0, np.where(is_known, place + 2, 1)).astype(np.int32)


class Residual(nn.Module):
    """Adds what its layers make of x to x, or to a projection of x where their shapes differ."""

    def __init__(self, *layers: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the shape of the branch."""
        branch: torch.Tensor = self.layers(x)
        return branch + self.shortcut(x)


class PositionedEmbedding(nn.Module):
    """A vector for each token plus a learned vector for each position, all small at first."""

    def __init__(self, vocabulary: int, width: int, length: int) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        for table in (self.words, self.positions):
            nn.init.uniform_(table.weight, -0.05, 0.05)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(rows, length) to (rows, length, width)."""
        places = torch.arange(ids.shape[1], device=ids.device)
        words: torch.Tensor = self.words(ids)
        return words + self.positions(places)


class SequenceAvg(nn.Module):
    """The mean over the length of (rows, length, channels)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """To (rows, channels)."""
        return x.mean(dim=1)


class SelfAttention(nn.MultiheadAttention):
    """Every position of (rows, length, channels) looks at every other."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the shape."""
        return super().forward(x, x, x, need_weights=False)[0]


def build_model() -> nn.Module:
    """The network, with weights drawn from SEED."""
    torch.manual_seed(SEED)
    return nn.Sequential(
        PositionedEmbedding(60, 64, 24),
        nn.Dropout(0.1),
        Residual(
            nn.LayerNorm(64, eps=1e-5),
            SelfAttention(64, 4, batch_first=True),
            nn.Dropout(0.1),
        ),
        Residual(
            nn.LayerNorm(64, eps=1e-5),
            nn.Linear(64, 128),
            nn.GELU(),
            nn.Linear(128, 64),
            nn.Dropout(0.1),
        ),
        nn.LayerNorm(64, eps=1e-5),
        SequenceAvg(),
        nn.Linear(64, 4),
    )


def build_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer; ``train`` sets its learning rate and weight decay as it goes."""
    return torch.optim.AdamW(model.parameters(), fused=True)


def hyperparameters(epoch: int) -> dict[str, Any]:
    """The training settings that hold in an epoch: each SCHEDULE entry holds from its epoch on."""
    return {key: value for start, new in SCHEDULE if start <= epoch for key, value in new.items()}


def learning_rate(progress: float) -> float:
    """The learning rate after so many epochs, which may be a fraction: a warm-up, then a decay."""
    settings = hyperparameters(int(progress))
    peak, warmup = settings["learning_rate"], settings["warmup_epochs"]
    if progress < warmup:
        return float(peak * progress / warmup)
    done = (progress - warmup) / max(EPOCHS - warmup, 1e-9)
    return float(peak * (1 + math.cos(math.pi * done)) / 2)


def criterion(
    outputs: torch.Tensor, targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """Cross-entropy of the outputs (N, classes), with label smoothing."""
    return nn.functional.cross_entropy(
        outputs, targets, label_smoothing=settings["label_smoothing"]
    )


def to_predictions(outputs: torch.Tensor, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Outputs (N, classes) to probabilities."""
    probabilities: np.ndarray = outputs.softmax(dim=1).cpu().numpy()
    return probabilities


def print_predictions(predictions: np.ndarray) -> None:
    """One line of JSON for each row: the likeliest class and its probability."""
    for row, probabilities in enumerate(predictions):
        best = int(probabilities.argmax())
        line = {"row": row, "label": CLASSES[best], "probability": float(probabilities[best])}
        print(json.dumps(line, ensure_ascii=False))


def to_inputs(x: np.ndarray) -> torch.Tensor:
    """Preprocessed rows as the network takes them."""
    return torch.from_numpy(x).to(DEVICE)


def print_report(metrics: dict[str, Any], save: Callable[[str], None]) -> None:
    """Tell how an epoch went, as one line of JSON."""
    if RANK == 0:
        print(json.dumps(metrics), flush=True)


def train(
    x: np.ndarray,
    y: np.ndarray,
    fold: int | None = None,
    report: Report = print_report,
    resume: str | None = None,
    epochs: int = EPOCHS,
) -> tuple[nn.Module, Statistics, dict[str, Any]]:
    """Train on the rows outside a fold (None: on all) and score the fold's rows after each epoch.

    Randomness depends on SEED and the epoch alone, so training that resumes from a saved folder
    goes on exactly as if it had never stopped. Returns model, statistics and the last metrics.
    """
    rows, held_out = split(y, fold)
    statistics, targets = fit_preprocessing(x[rows]), torch.from_numpy(y[rows]).to(DEVICE)
    model = build_model().to(DEVICE)
    optimizer, start, metrics = build_optimizer(model), 0, {}
    if resume is not None:
        start, _ = load(model, optimizer, resume)
    network = distribute(model)
    inputs = to_inputs(preprocess(x[rows], statistics))
    x_held_out = to_inputs(preprocess(x[held_out], statistics))
    for epoch in range(start, epochs):
        settings, rng = hyperparameters(epoch), np.random.default_rng((SEED, epoch))
        torch.manual_seed(SEED * 1_000_003 + epoch * WORLD_SIZE + RANK)
        order = torch.from_numpy(rng.permutation(len(rows))).to(DEVICE)
        batches = order.tensor_split(math.ceil(len(rows) / settings["batch_size"]))
        total = torch.zeros((), device=DEVICE)
        model.train()
        for step, whole in enumerate(batches):
            batch = whole[RANK::WORLD_SIZE]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(epoch + (step + 0.5) / len(batches))
                group["weight_decay"] = settings["weight_decay"]
            share = len(batch) * WORLD_SIZE / len(whole)  # DDP takes the mean of the processes
            loss = criterion(network(inputs[batch]), targets[batch], settings) * share
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(whole)
        if WORLD_SIZE > 1:
            dist.all_reduce(total)
        metrics = {"epoch": epoch + 1, "train_loss": total.item() / WORLD_SIZE / len(rows)}
        if len(held_out):
            metrics |= evaluate(model, x_held_out, y[held_out], statistics)
        report(metrics, partial(save, model, optimizer, epoch + 1, statistics))
    return model, statistics, metrics


def distribute(model: nn.Module) -> nn.Module:
    """Share the gradients with the other processes, if torchrun or Ray Train started several."""
    if WORLD_SIZE == 1:
        return model
    if not dist.is_initialized():
        dist.init_process_group("nccl" if DEVICE.type == "cuda" else "gloo")
    return nn.parallel.DistributedDataParallel(model)


def predict(model: nn.Module, inputs: torch.Tensor, statistics: Statistics) -> np.ndarray:
    """Predictions for inputs that ``to_inputs`` made, in batches of 1,024 rows."""
    model.eval()
    with torch.no_grad():
        outputs = [model(batch) for batch in inputs.split(1024)]
    return to_predictions(torch.cat(outputs), statistics)


def evaluate(
    model: nn.Module, inputs: torch.Tensor, y: np.ndarray, statistics: Statistics
) -> dict[str, float]:
    """The scores of the model's predictions."""
    p = predict(model, inputs, statistics)
    return {"accuracy": accuracy(y, p), "log_loss": log_loss(y, p)}


def save(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    statistics: Statistics,
    folder: str,
) -> None:
    """Write all that ``load`` needs to go on after so many epochs; process 0 does it for all."""
    if RANK:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
    tensors = {name: torch.from_numpy(value) for name, value in statistics.items()}
    torch.save(state | {"statistics": tensors}, Path(folder) / "checkpoint.pt")


def load(model: nn.Module, optimizer: torch.optim.Optimizer, folder: str) -> tuple[int, Statistics]:
    """Fill model and optimizer from a saved folder; returns the epochs done and the statistics."""
    path = Path(folder) / "checkpoint.pt"
    state = torch.load(path, map_location=DEVICE, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    statistics = {name: value.cpu().numpy() for name, value in state["statistics"].items()}
    return state["epoch"], statistics


def accuracy(y: np.ndarray, p: np.ndarray) -> float:
    """Share of rows whose likeliest class is the right one."""
    return float(np.mean(p.argmax(axis=1) == y))


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean negative logarithm of the probability given to the right class."""
    return float(-np.mean(np.log(np.maximum(p[np.arange(len(y)), y], 1e-12))))


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=DATA, help="the data set (default: %(default)s)")
    parser.add_argument("--cv", action="store_true", help="cross-validate")
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="train and score one fold")
    epochs = range(1, EPOCHS + 1)
    parser.add_argument("--epochs", type=int, default=EPOCHS, choices=epochs, help="train so long")
    parser.add_argument("--predict", metavar="FILE", help="rows to predict with saved weights")
    parser.add_argument("--weights", default=str(Path(__file__).resolve().with_name("weights")))
    args = parser.parse_args()

    if args.predict:
        model = build_model().to(DEVICE)
        _, statistics = load(model, build_optimizer(model), args.weights)
        inputs = to_inputs(preprocess(read_inputs(args.predict), statistics))
        print_predictions(predict(model, inputs, statistics))
        return
    x, y, x_test, y_test = load_data(args.data)
    if args.cv:
        scores = [train(x, y, fold, epochs=args.epochs)[2][METRIC] for fold in range(FOLDS)]
        result = {"folds": scores, "mean": np.mean(scores), "std": np.std(scores, ddof=1)}
    else:
        model, statistics, result = train(x, y, args.fold, epochs=args.epochs)
        if args.fold is None:
            inputs = to_inputs(preprocess(x_test, statistics))
            result = {"test": evaluate(model, inputs, y_test, statistics)}
            save(model, build_optimizer(model), args.epochs, statistics, args.weights)
    if RANK == 0:
        print(json.dumps(result))


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as error:  # the data, rows to predict, or weights
        raise SystemExit(f"FileNotFoundError: {error}") from None
