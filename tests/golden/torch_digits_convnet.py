"""Image classification, digits: a PyTorch network found by RayGen.

python model.py                  train on all training rows, score the test rows, save the weights
python model.py --cv             repeat the k-fold cross-validation
python model.py --predict FILE   predict with the saved weights, one line of JSON for each row
torchrun --nproc_per_node=8 model.py
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn

DATA = "digits"
CLASSES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
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
            "augmentation": "shift",
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
    """Load the digits, a fifth of each class as test rows: x, y, x_test, y_test."""
    if path != "digits":
        raise ValueError(f"{path}: only the digits that come with scikit-learn are read here")
    digits = load_digits()
    x, y = digits.images.astype(np.uint8)[..., np.newaxis], digits.target.astype(np.int64)
    is_test = deal(y, 5, seed=0) == 0
    return x[~is_test], y[~is_test], x[is_test], y[is_test]


def read_inputs(path: str) -> np.ndarray:
    """Read the images to predict, brightness 0 to 16: a .npy file, or the "x" of a .npz file."""
    arrays = np.load(path)
    x: np.ndarray = arrays if path.endswith(".npy") else arrays["x"]
    return x.reshape(-1, 8, 8, 1).astype(np.uint8, order="C")


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
    """Measure each channel's mean and spread over the training rows, in whole numbers: exactly."""
    count = x.size // x.shape[-1]
    mean = x.sum(axis=(0, 1, 2), dtype=np.int64) / count
    square = np.einsum("nhwc,nhwc->c", x, x, dtype=np.int64) / count
    std = np.sqrt(np.maximum(square - mean**2, 1.0))
    return {"mean": mean.astype(np.float32), "std": std.astype(np.float32)}


def preprocess(x: np.ndarray, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Center and scale each channel: uint8 to float32, both (N, H, W, C)."""
    scaled = x.astype(np.float32)
    scaled -= statistics["mean"]
    scaled /= statistics["std"]
    return scaled


def augment(x: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Shift each image by up to an eighth of its sides over black; "shift_flip" mirrors half."""
    if kind == "none":
        return x
    count, height, width, channels = x.shape
    down, right = height // 8, width // 8
    padded = np.pad(x, ((0, 0), (down, down), (right, right), (0, 0)))
    window = (height, width, channels)
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(1, 2, 3))
    rows, columns = rng.integers(2 * down + 1, size=count), rng.integers(2 * right + 1, size=count)
    shifted: np.ndarray = windows[np.arange(count), rows, columns, 0]
    if kind == "shift_flip":
        mirrored = rng.random(count) < 0.5
        shifted[mirrored] = shifted[mirrored, :, ::-1]
    return shifted


def build_model() -> nn.Module:
    """The network, with weights drawn from SEED."""
    torch.manual_seed(SEED)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16, eps=1e-5, momentum=0.1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False),
        nn.Conv2d(16, 32, 1),
        nn.BatchNorm2d(32, eps=1e-5, momentum=0.1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False),
        nn.Conv2d(32, 32, 1),
        nn.BatchNorm2d(32, eps=1e-5, momentum=0.1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.BatchNorm2d(64, eps=1e-5, momentum=0.1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(64, 10),
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
    return torch.from_numpy(x).permute(0, 3, 1, 2).to(DEVICE)


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
    x_train = x[rows]
    x_held_out = to_inputs(preprocess(x[held_out], statistics))
    for epoch in range(start, epochs):
        settings, rng = hyperparameters(epoch), np.random.default_rng((SEED, epoch))
        torch.manual_seed(SEED * 1_000_003 + epoch * WORLD_SIZE + RANK)
        order = torch.from_numpy(rng.permutation(len(rows))).to(DEVICE)
        augmented = augment(x_train, settings["augmentation"], rng)
        inputs = to_inputs(preprocess(augmented, statistics))
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
