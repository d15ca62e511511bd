"""A classifier of financial news: the program that every fine-tuning follows.

python model.py                  train on all training rows, score the test rows, save the weights
python model.py --cv             repeat the k-fold cross-validation
python model.py --predict FILE   predict with the saved weights, one line of JSON for each row
python model.py --merge FOLDER   write the trained model as a plain transformers folder
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
import torch.distributed.checkpoint.state_dict as states
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from raygen.data.fragments.folds import split
from raygen.finetune.fragments.classes import (
    count_targets,
    loss_sum,
    predict_batch,
    print_predictions,
)
from raygen.finetune.fragments.text_classification import (
    load_data,
    read_inputs,
    row_lengths,
    to_batch,
)
from raygen.tasks.fragments.metrics import accuracy, log_loss

# region constants
DATA = "data/phrasebank.parquet"
PRETRAINED = "sentence-transformers/all-MiniLM-L6-v2"
CLASSES = (0, 1, 2)
PAD = 0
METRIC = "accuracy"
SEED = 0
FOLDS = 5
EPOCHS = 3
THREADS = 1
MICRO_BATCH = 32
MAX_GRAD_NORM = 1.0
PRECISION = "auto"
STRATEGY = "ddp"
SCHEDULE: list[tuple[int, dict[str, Any]]] = [
    (
        0,
        {
            "learning_rate": 0.0005,
            "warmup_epochs": 0.2,
            "weight_decay": 0.01,
            "batch_size": 32,
            "label_smoothing": 0.0,
        },
    )
]
# endregion

RANK, WORLD_SIZE = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
DEVICE = torch.device("cpu")
if torch.cuda.is_available():
    DEVICE = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
BF16 = PRECISION == "bf16" or (
    PRECISION == "auto" and DEVICE.type == "cuda" and torch.cuda.is_bf16_supported()
)
WHOLE = states.StateDictOptions(
    full_state_dict=True, cpu_offload=True, ignore_frozen_params=True, strict=False
)
torch.set_num_threads(THREADS)
logging.set_verbosity_error()
logging.disable_progress_bar()

Statistics = dict[str, np.ndarray]
Report = Callable[[dict[str, Any], Callable[[str], None]], None]


# region data
# endregion


# region blocks
# endregion


def build_model() -> nn.Module:
    """The pretrained model with what is trained of it; new weights are drawn from SEED."""
    torch.manual_seed(SEED)
    # region model
    model = AutoModelForSequenceClassification.from_pretrained(
        PRETRAINED, dtype=torch.float32, num_labels=len(CLASSES), pad_token_id=PAD
    )
    config = LoraConfig(task_type="SEQ_CLS", r=8, target_modules=["query", "value"])
    model = get_peft_model(model, config)
    model.config.use_cache = False
    return model
    # endregion


def build_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """AdamW on what is trained; ``train`` sets its learning rate and weight decay as it goes."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.optim.AdamW(trained, fused=True)


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


def preprocess(x: np.ndarray, statistics: Statistics) -> np.ndarray:
    """Nothing: the rows are token numbers already, and nothing is learnt from them."""
    return x


def to_inputs(x: np.ndarray) -> np.ndarray:
    """Rows as ``predict`` takes them; they become tensors batch by batch."""
    return x


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
    lengths = row_lengths(x)[rows]
    model = build_model().to(DEVICE)
    network = distribute(model)
    optimizer, start, metrics = build_optimizer(model), 0, {}
    if resume is not None:
        start, _ = load(model, optimizer, resume)
    micro_batch = MICRO_BATCH
    for epoch in range(start, epochs):
        settings = hyperparameters(epoch)
        torch.manual_seed(SEED * 1_000_003 + epoch * WORLD_SIZE + RANK)
        batches = deal_batches(lengths, epoch, settings["batch_size"])
        total, targets = 0.0, 0
        model.train()
        for step, places in enumerate(batches):
            batch = rows[places]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(epoch + (step + 0.5) / len(batches))
                group["weight_decay"] = settings["weight_decay"]
            optimizer.zero_grad()
            try:
                loss = accumulate(network, x, y, batch, settings, micro_batch)
            except torch.OutOfMemoryError:
                if micro_batch == 1 or WORLD_SIZE > 1:
                    raise
                micro_batch //= 2
                print_report({"out_of_memory": f"micro-batches of {micro_batch}"}, lambda _: None)
                optimizer.zero_grad()
                loss = accumulate(network, x, y, batch, settings, micro_batch)
            nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
            optimizer.step()
            # region step
            # endregion
            total, targets = total + loss, targets + count_targets(y[batch])
        loss_of_all = torch.tensor(total, dtype=torch.float64, device=DEVICE)
        if WORLD_SIZE > 1:
            dist.all_reduce(loss_of_all)
        metrics = {"epoch": epoch + 1, "train_loss": loss_of_all.item() / targets}
        if len(held_out):
            metrics |= evaluate(model, x[held_out], y[held_out], {})
        report(metrics, partial(save, model, optimizer, epoch + 1, {}))
    return model, {}, metrics


def deal_batches(lengths: np.ndarray, epoch: int, batch_size: int) -> list[np.ndarray]:
    """Shuffled batches of rows of about equal length: sorted within chunks of 50 batches."""
    rng = np.random.default_rng((SEED, epoch))
    order = rng.permutation(len(lengths))
    chunks = np.split(order, range(50 * batch_size, len(order), 50 * batch_size))
    order = np.concatenate([chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks])
    batches = np.array_split(order, math.ceil(len(order) / batch_size))
    return [batches[place] for place in rng.permutation(len(batches))]


def accumulate(
    network: nn.Module,
    x: np.ndarray,
    y: np.ndarray,
    batch: np.ndarray,
    settings: dict[str, Any],
    micro_batch: int,
) -> float:
    """Add up the gradients of this process's share of a batch; returns the sum of its losses.

    The loss is divided by the number of targets of the whole batch, so neither the number of
    processes nor the size of the micro-batches changes it.
    """
    mine, share = batch[RANK::WORLD_SIZE], math.ceil(len(batch) / WORLD_SIZE)
    scale = WORLD_SIZE / count_targets(y[batch])  # the processes' gradients are averaged
    parts = np.array_split(mine, math.ceil(share / micro_batch))  # as many in every process
    total = 0.0
    for place, part in enumerate(parts):
        if WORLD_SIZE > 1:  # gradients are shared once they are whole
            # region share
            network.require_backward_grad_sync = place == len(parts) - 1
            # endregion
        own = part if len(part) else batch[:1]
        inputs = {name: value.to(DEVICE) for name, value in to_batch(x[own]).items()}
        targets = torch.from_numpy(y[own]).to(DEVICE)
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=BF16):
            loss = loss_sum(network, inputs, targets, settings) * min(1, len(part))
        (loss * scale).backward()
        total += loss.item()
    return total


def distribute(model: nn.Module) -> nn.Module:
    """Share the work with the other processes, if torchrun or Ray Train started several."""
    if WORLD_SIZE == 1:
        return model
    if not dist.is_initialized():
        dist.init_process_group("nccl" if DEVICE.type == "cuda" else "gloo")
    # region distribute
    return nn.parallel.DistributedDataParallel(model)
    # endregion


def predict(model: nn.Module, inputs: np.ndarray, statistics: Statistics) -> np.ndarray:
    """Predictions for the rows, in their order; rows of like length share a batch."""
    model.eval()
    order = np.argsort(row_lengths(inputs), kind="stable")
    outputs = []
    for part in np.array_split(order, math.ceil(len(order) / (2 * MICRO_BATCH))):
        batch = {name: value.to(DEVICE) for name, value in to_batch(inputs[part]).items()}
        with torch.no_grad(), torch.autocast(DEVICE.type, torch.bfloat16, enabled=BF16):
            outputs.append(predict_batch(model, batch).cpu().numpy())
    return np.concatenate(outputs)[np.argsort(order)]


def evaluate(
    model: nn.Module, inputs: np.ndarray, y: np.ndarray, statistics: Statistics
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
    """Write the trained weights, and what ``load`` needs to go on; all processes must call it."""
    state = {"model": states.get_model_state_dict(model, options=WHOLE), "epoch": epoch}
    if optimizer.state:
        state["optimizer"] = states.get_optimizer_state_dict(model, optimizer, options=WHOLE)
    # region save
    # endregion
    if RANK == 0:
        Path(folder).mkdir(parents=True, exist_ok=True)
        torch.save(state, Path(folder) / "checkpoint.pt")
        # region adapter
        if epoch == EPOCHS:
            model.save_pretrained(folder, state_dict=state["model"], save_embedding_layers=False)
        # endregion


def load(model: nn.Module, optimizer: torch.optim.Optimizer, folder: str) -> tuple[int, Statistics]:
    """Fill model and optimizer from a saved folder; returns the epochs done and no statistics."""
    path = Path(folder) / "checkpoint.pt"
    state = torch.load(path, map_location="cpu", weights_only=True)
    states.set_model_state_dict(model, state["model"], options=WHOLE)
    if "optimizer" in state:
        states.set_optimizer_state_dict(model, optimizer, state["optimizer"], options=WHOLE)
    # region load
    # endregion
    return state["epoch"], {}


def merge(model: nn.Module, folder: str) -> None:
    """Write the trained model as a folder that transformers reads, its adapter put into it."""
    # region merge
    model = model.merge_and_unload()
    # endregion
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(PRETRAINED).save_pretrained(folder)


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
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="stop after so many epochs")
    parser.add_argument("--predict", metavar="FILE", help="rows to predict with saved weights")
    parser.add_argument("--merge", metavar="FOLDER", help="write the trained model there")
    parser.add_argument("--weights", default=str(Path(__file__).resolve().with_name("weights")))
    args = parser.parse_args()

    if args.predict or args.merge:
        model = build_model().to(DEVICE)
        load(model, build_optimizer(model), args.weights)
        if args.merge:
            merge(model, args.merge)
            return
        x = read_inputs(args.predict)
        # region predictions
        print_predictions(predict(model, x, {}))
        # endregion
        return
    x, y, x_test, y_test = load_data(args.data)
    if args.cv:
        scores = [train(x, y, fold, epochs=args.epochs)[2][METRIC] for fold in range(FOLDS)]
        result = {"folds": scores, "mean": np.mean(scores), "std": np.std(scores, ddof=1)}
    else:
        model, _, result = train(x, y, args.fold, epochs=args.epochs)
        if args.fold is None:
            result = {"test": evaluate(model, x_test, y_test, {})}
            save(model, build_optimizer(model), args.epochs, {}, args.weights)
    if RANK == 0:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
