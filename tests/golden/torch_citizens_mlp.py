"""Tabular classification, citizens: a PyTorch network found by RayGen.

python model.py                  train on all training rows, score the test rows, save the weights
python model.py --cv             repeat the k-fold cross-validation
python model.py --predict FILE   predict with the saved weights, one line of JSON for each row
torchrun --nproc_per_node=8 model.py
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from torch import nn

DATA = "s3://bucket/people.csv"
NUMERIC = ("age", "hours")
CATEGORIES = {"work": 3, "sex": 2}
TARGET = "income"
CLASSES = ["<=50K", ">50K"]
MISSING = ("hours", "work")
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
    """Load the rows and their targets: x, y, x_test, y_test."""
    path = fetch(path)
    train, test = cut_test_rows(read_frame(path, CATEGORIES))
    return as_numbers(train), read_target(train), as_numbers(test), read_target(test)


def read_inputs(path: str) -> np.ndarray:
    """Read the rows to predict from a file with the same columns, the target apart."""
    path = fetch(path)
    return as_numbers(read_frame(path, CATEGORIES))


def as_numbers(frame: pd.DataFrame) -> np.ndarray:
    """Put numbers first, then categories as hashes of their text; NaN where a value is missing."""
    x = np.full((len(frame), len(NUMERIC) + len(CATEGORIES)), np.nan)
    for place, name in enumerate(NUMERIC):
        values = frame[name]  # of a missing date, to_numeric makes a number
        x[:, place] = pd.to_numeric(values, errors="coerce").where(values.notna())
    for place, name in enumerate(CATEGORIES, start=len(NUMERIC)):
        values = frame[name].astype(object)
        hashes = {value: hash_text(str(value)) for value in values.dropna().unique()}
        x[:, place] = values.map(hashes)
    x[np.isinf(x)] = np.nan
    return x


def hash_text(text: str) -> float:
    """Name a text by 52 bits: a number that a float holds exactly, the same everywhere."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return float(int.from_bytes(digest, "little") >> 12)


def read_frame(path: str, as_text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a .csv file, some columns as text even if they hold digits; or a .parquet file."""
    if path.endswith(".parquet"):
        return pd.read_parquet(path)
    return pd.read_csv(path, dtype=dict.fromkeys(as_text, str))


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the training rows from the test rows: a fifth, with its share of every target."""
    frame = frame.dropna(subset=[TARGET])
    is_test = deal(read_target(frame), 5, seed=0) == 0
    return frame[~is_test], frame[is_test]


def read_target(frame: pd.DataFrame) -> np.ndarray:
    """Turn labels into class numbers: their places in CLASSES."""
    number = {label: place for place, label in enumerate(CLASSES)}
    return np.array([number[label] for label in frame[TARGET]], np.int64)


def fetch(uri: str) -> str:
    """Copy a file or folder to this machine, once for each state of it; a path stays as it is.

    Copies lie in the folder that DATASET_CACHE names, or in ~/.cache/datasets.
    """
    scheme, is_uri, _ = uri.partition("://")
    if not is_uri:
        return uri
    told = uri.partition("?")[0]  # what follows may be a secret
    try:
        import fsspec

        store, root = fsspec.url_to_fs(uri)
        return str(root) if scheme == "file" else copy_once(store, root, uri)
    except ImportError as error:
        backends = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hdfs": "pyarrow"}
        backends |= dict.fromkeys(("az", "abfs"), "adlfs")
        backend = backends.get(scheme, "aiohttp" if scheme.startswith("http") else f"({error})")
        raise FileNotFoundError(f"{told} cannot be read: pip install fsspec {backend}") from error
    except Exception as error:  # each store has errors of its own
        first = error.__cause__ or error  # what a server said, where it is told as another error
        reason = " ".join(f"{type(first).__name__}: {first}".split()).replace(uri, told)
        raise FileNotFoundError(f"{told} cannot be read ({reason})") from error


def copy_once(store: Any, root: str, uri: str) -> str:
    """Copy what the store has, unless it is here; the first process copies, others wait."""
    files = list_files(store, root)
    digest = hashlib.sha256(repr((uri, sorted(files.items()))).encode()).hexdigest()[:32]
    cache = Path(os.environ.get("DATASET_CACHE") or "~/.cache/datasets").expanduser()
    whole, draft = cache / digest, cache / f"{digest}.part"
    place = draft / (Path(unquote(urlsplit(uri).path)).name or "data")
    if not whole.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"{digest}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                print(f"copying {uri.partition('?')[0]} to {whole}", file=sys.stderr)
                shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
                for name, (size, _) in files.items():
                    target = place.joinpath(*parts_below(root, name))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    store.get_file(name, str(target))
                    if size not in ("None", str(target.stat().st_size)):
                        raise OSError(f"{name} has {size} bytes, {target.stat().st_size} came")
                draft.rename(whole)
    return str(whole / place.name)


def parts_below(root: str, name: str) -> list[str]:
    """The names of a file and the folders that it lies in, from a root on; none for the root."""
    below = name[len(root) :]
    parts = (unquote(below) if root.startswith("http") else below).strip("/").split("/")
    if ".." in parts:
        raise ValueError(f"{name} would lie outside of the copy")
    return [part for part in parts if part]


def list_files(store: Any, root: str) -> dict[str, tuple[str, str]]:
    """All files below a root, or the root itself: the size of each, and what tells its state."""
    store.invalidate_cache()
    told = {root: store.info(root)}
    if told[root]["type"] == "directory" or told[root].get("mimetype") == "text/html":
        found = store.find(root, detail=True)  # consoles mark folders by empty files named so
        folders = {name[:end] for name in found for end, sign in enumerate(name) if sign == "/"}
        told = {name: info for name, info in found.items() if name.rstrip("/") not in folders}
    states = ("ETag", "etag", "Last-Modified", "LastModified", "last_modified", "mtime", "created")
    files = {}
    for name, info in told.items():
        known = info if info.get("size") is not None else store.info(name)  # a web server's list
        state = next((str(known[key]) for key in states if known.get(key)), "")
        files[name] = (str(known.get("size")), state)
    if not files:
        raise FileNotFoundError("nothing is there")
    return files


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
    """Learn center and scale of the numbers, and the frequent categories, from training rows."""
    numbers, categories = x[:, : len(NUMERIC)], x[:, len(NUMERIC) :]
    scales = [robust_scale(column) for column in numbers.T]
    known = np.full((len(CATEGORIES), max(CATEGORIES.values(), default=0)), np.nan)
    for row, column, count in zip(known, categories.T, CATEGORIES.values(), strict=True):
        frequent = most_frequent(column, count)
        row[: len(frequent)] = frequent
    center, scale = np.array(scales).reshape(-1, 2).T
    return {"center": center, "scale": scale, "categories": known}


def preprocess(x: np.ndarray, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Scale and bound the numbers, spell out missing values and categories: float32."""
    scaled = (x[:, : len(NUMERIC)] - statistics["center"]) * statistics["scale"]
    blocks = [np.nan_to_num(scaled / np.hypot(1, scaled / 3))]
    for column, name in zip(x.T, [*NUMERIC, *CATEGORIES], strict=True):
        if name in MISSING:
            blocks.append(np.isnan(column)[:, np.newaxis])
    for column, row, count in zip(
        x.T[len(NUMERIC) :], statistics["categories"], CATEGORIES.values(), strict=True
    ):
        is_known = column[:, np.newaxis] == row[:count]
        is_other = ~np.isnan(column) & ~is_known.any(axis=1)
        blocks += [is_known, is_other[:, np.newaxis]]
    return np.concatenate(blocks, axis=1, dtype=np.float32)


def robust_scale(column: np.ndarray) -> tuple[float, float]:
    """Return median and 1 / interquartile range (RealMLP, Holzmueller et al. 2024)."""
    present = column[~np.isnan(column)]
    if not present.size or present.min() == present.max():
        return (present[0] if present.size else 0.0), 0.0
    low, center, high = np.quantile(present, [0.25, 0.5, 0.75])
    if low == high:  # half of the values are the same: the others give the scale
        return center, 1 / np.median(np.abs(present[present != center] - center))
    return center, 1 / (high - low)


def most_frequent(column: np.ndarray, count: int) -> np.ndarray:
    """Return the values that occur most often; of equally frequent ones the smaller first."""
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return values[np.argsort(-counts, kind="stable")[:count]]


def build_model() -> nn.Module:
    """The network, with weights drawn from SEED."""
    torch.manual_seed(SEED)
    return nn.Sequential(
        nn.Linear(11, 64),
        nn.BatchNorm1d(64, eps=1e-5, momentum=0.1),
        nn.SiLU(),
        nn.Dropout(0.1),
        nn.Linear(64, 64),
        nn.BatchNorm1d(64, eps=1e-5, momentum=0.1),
        nn.SiLU(),
        nn.Dropout(0.1),
        nn.Linear(64, 2),
    )


def build_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer; ``train`` sets its learning rate and weight decay as it goes."""
    return torch.optim.SGD(model.parameters(), momentum=0.9, fused=True)


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
    return float(peak * 0.1 ** int(3 * done))


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
