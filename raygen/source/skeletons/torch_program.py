"""A classifier of handwritten digits: the PyTorch program that every generated model.py follows.

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
from torch import nn

from raygen.data.fragments.digits import load_data, read_inputs
from raygen.data.fragments.folds import split
from raygen.data.fragments.inputs_image import fit_preprocessing, preprocess
from raygen.source.skeletons.torch_classification import (
    criterion,
    print_predictions,
    to_predictions,
)
from raygen.tasks.fragments.metrics import accuracy, log_loss

# region constants
DATA = "digits"
METRIC = "accuracy"
SEED = 0
FOLDS = 5
EPOCHS = 3
THREADS = 1
SCHEDULE: list[tuple[int, dict[str, Any]]] = [
    (
        0,
        {
            "learning_rate": 0.003,
            "warmup_epochs": 1.0,
            "weight_decay": 0.01,
            "batch_size": 64,
            "label_smoothing": 0.0,
            "augmentation": "none",
        },
    )
]
# endregion

RANK, WORLD_SIZE = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
DEVICE = torch.device("cpu")
if torch.cuda.is_available():
    DEVICE = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
torch.set_num_threads(THREADS)

Statistics = dict[str, np.ndarray]
Report = Callable[[dict[str, Any], Callable[[str], None]], None]


# region data
# endregion


# region preprocessing
# endregion


# region blocks
# endregion


def build_model() -> nn.Module:
    """The network, with weights drawn from SEED."""
    torch.manual_seed(SEED)
    # region layers
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
    # endregion


def build_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer; ``train`` sets its learning rate and weight decay as it goes."""
    # region optimizer
    return torch.optim.AdamW(model.parameters(), fused=True)
    # endregion


def hyperparameters(epoch: int) -> dict[str, Any]:
    """The training settings that hold in an epoch: each SCHEDULE entry holds from its epoch on."""
    return {key: value for start, new in SCHEDULE if start <= epoch for key, value in new.items()}


def learning_rate(progress: float) -> float:
    """The learning rate after so many epochs, which may be a fraction: a warm-up, then a decay."""
    settings = hyperparameters(int(progress))
    peak, warmup = settings["learning_rate"], settings["warmup_epochs"]
    if progress < warmup:
        return float(peak * progress / warmup)
    # region decay
    done = (progress - warmup) / max(EPOCHS - warmup, 1e-9)
    return float(peak * (1 + math.cos(math.pi * done)) / 2)
    # endregion


# region outputs
# endregion


def to_inputs(x: np.ndarray) -> torch.Tensor:
    """Preprocessed rows as the network takes them."""
    # region inputs
    return torch.from_numpy(x).permute(0, 3, 1, 2).to(DEVICE)
    # endregion


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
    # region targets
    statistics, targets = fit_preprocessing(x[rows]), torch.from_numpy(y[rows]).to(DEVICE)
    # endregion
    model = build_model().to(DEVICE)
    optimizer, start, metrics = build_optimizer(model), 0, {}
    if resume is not None:
        start, _ = load(model, optimizer, resume)
    network = distribute(model)
    # region rows
    inputs = to_inputs(preprocess(x[rows], statistics))
    # endregion
    x_held_out = to_inputs(preprocess(x[held_out], statistics))
    for epoch in range(start, epochs):
        settings, rng = hyperparameters(epoch), np.random.default_rng((SEED, epoch))
        torch.manual_seed(SEED * 1_000_003 + epoch * WORLD_SIZE + RANK)
        order = torch.from_numpy(rng.permutation(len(rows))).to(DEVICE)
        # region augmentation
        # endregion
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
    # region scores
    return {"accuracy": accuracy(y, p), "log_loss": log_loss(y, p)}
    # endregion


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


# region metrics
# endregion


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
