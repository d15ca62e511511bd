"""A classifier of financial news: the program that every fine-tuning follows.

python model.py                  train on all training rows, score the test rows, save the weights
python model.py --cv             repeat the k-fold cross-validation
python model.py --predict FILE   predict with the saved weights, one line of JSON for each row
python model.py --merge FOLDER   write the trained model as a plain transformers folder
torchrun --nproc_per_node=8 model.py
"""

from __future__ import annotations

import json
import math
import os
from argparse import ArgumentParser, RawDescriptionHelpFormatter
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
from torch.optim import AdamW, Optimizer
from tqdm import tqdm
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
from raygen.tasks.fragments.metrics import accuracy

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
SCHEDULE: list[tuple[int, dict[str, Any]]] = [
    (0, {"learning_rate": 5e-4, "warmup_epochs": 0.2, "weight_decay": 0.01, "batch_size": 32})
]
# endregion

RANK, WORLD_SIZE = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
if DEVICE.type == "cuda":
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
# region precision
GPU, CPU = DEVICE.type == "cuda", getattr(torch.cpu, "get_capabilities", dict[str, Any])()
BF16 = torch.cuda.is_bf16_supported(False) if GPU else bool(CPU.get("avx512_bf16"))
# endregion
WHOLE = states.StateDictOptions(True, True, True, strict=False)  # on the CPU, what is trained
torch.set_num_threads(THREADS)
logging.set_verbosity_error()
logging.disable_progress_bar()

Values = dict[str, Any]
Report = Callable[[Values, Callable[[str], None]], None]


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


def build_optimizer(model: nn.Module) -> Optimizer:
    """AdamW on what is trained; ``train`` sets its learning rate and weight decay as it goes."""
    return AdamW([weight for weight in model.parameters() if weight.requires_grad], fused=True)


def hyperparameters(progress: float) -> Values:
    """The settings after so many epochs, a fraction too; each of SCHEDULE holds from its epoch."""
    found = {key: v for start, new in SCHEDULE if start <= progress for key, v in new.items()}
    warmup = found["warmup_epochs"]
    done = (progress - warmup) / max(EPOCHS - warmup, 1e-9)
    # region decay
    share = progress / warmup if done < 0 else 1 - done
    # endregion
    return {**found, "learning_rate": found["learning_rate"] * share}


# region outputs
# endregion


def print_report(metrics: Values, save: Callable[[str], None] | None = None) -> None:
    """Tell how an epoch or the whole went, as one line of JSON."""
    if RANK == 0:
        print(json.dumps(metrics), flush=True)


def train(
    x: np.ndarray,
    y: np.ndarray,
    fold: int | None = None,
    report: Report = print_report,
    resume: str | None = None,
    epochs: int = EPOCHS,
) -> tuple[nn.Module, Values, Values]:
    """Train on the rows outside a fold (None: on all) and score the fold's rows after each epoch.

    Randomness depends on SEED and the epoch alone, so training that resumes from a saved folder
    goes on exactly as if it had never stopped. Returns model, statistics and the last metrics.
    """
    rows, held_out = split(y, fold)
    network = model = build_model().to(DEVICE)
    if WORLD_SIZE > 1:
        # region distribute
        network = nn.parallel.DistributedDataParallel(model)
        # endregion
    optimizer, metrics, micro_batch = build_optimizer(model), {}, MICRO_BATCH
    start = load(model, optimizer, resume)[0] if resume else 0
    # region counts
    lengths, num_targets = row_lengths(x[rows]), count_targets(y[rows])
    # endregion
    for epoch in range(start, epochs):
        torch.manual_seed(SEED * 1_000_003 + epoch * WORLD_SIZE + RANK)
        batches = deal_batches(rows, lengths, epoch)
        total = torch.zeros((), dtype=torch.float64, device=DEVICE)
        model.train()
        for step, batch in enumerate(tqdm(batches, f"epoch {epoch + 1}", disable=RANK > 0)):
            settings = hyperparameters(epoch + (step + 0.5) / len(batches))
            for group in optimizer.param_groups:
                group.update(lr=settings["learning_rate"], weight_decay=settings["weight_decay"])
            while True:
                optimizer.zero_grad()
                try:
                    total += accumulate(network, x[batch], y[batch], settings, micro_batch)
                    break
                except torch.OutOfMemoryError:
                    if micro_batch == 1 or WORLD_SIZE > 1:  # the others wait for gradients: they
                        raise  # cannot begin again with smaller ones; set MICRO_BATCH lower
                    micro_batch //= 2
                    print(f"out of memory: micro-batches of {micro_batch} from now on", flush=True)
            nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
            optimizer.step()
            # region step
            # endregion
        if WORLD_SIZE > 1:
            dist.all_reduce(total)
        metrics = {"epoch": epoch + 1, "train_loss": total.item() / num_targets}
        metrics |= evaluate(model, x[held_out], y[held_out], {}) if len(held_out) else {}
        report(metrics, partial(save, model, optimizer, epoch + 1, {}))
    return model, {}, metrics


def deal_batches(rows: np.ndarray, lengths: np.ndarray, epoch: int) -> list[np.ndarray]:
    """Shuffled batches of rows of about equal length: sorted within chunks of 50 batches."""
    rng, size = np.random.default_rng((SEED, epoch)), hyperparameters(epoch)["batch_size"]
    order = rng.permutation(len(rows))
    chunks = np.split(order, range(50 * size, len(order), 50 * size))
    order = np.concatenate([chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks])
    batches = np.array_split(rows[order], math.ceil(len(order) / size))
    return [batches[place] for place in rng.permutation(len(batches))]


def accumulate(
    network: nn.Module, x: np.ndarray, y: np.ndarray, settings: Values, micro_batch: int
) -> torch.Tensor:
    """Add up the gradients of this process's share of a batch; returns the sum of its losses.

    The loss is divided by the number of targets of the whole batch, so neither the number of
    processes nor the size of the micro-batches changes it.
    """
    parts = math.ceil(math.ceil(len(x) / WORLD_SIZE) / micro_batch)  # as many in every process
    total = torch.zeros((), dtype=torch.float64, device=DEVICE)
    for number, part in enumerate(np.array_split(np.arange(RANK, len(x), WORLD_SIZE), parts)):
        # region share
        network.require_backward_grad_sync = number == parts - 1  # shared once they are whole
        # endregion
        own = part if len(part) else np.array([0])  # to take part in what all do together
        inputs = {name: value.to(DEVICE) for name, value in to_batch(x[own]).items()}
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=BF16):
            goals = torch.from_numpy(y[own]).to(DEVICE)
            loss = loss_sum(network, inputs, goals, settings) * min(1, len(part))
        # region backward
        (loss * WORLD_SIZE / count_targets(y)).backward()  # averaged over the processes
        # endregion
        total += loss.detach()
    return total


def predict(model: nn.Module, inputs: np.ndarray, statistics: Values) -> np.ndarray:
    """Predictions for the rows, in their order; rows of like length share a batch."""
    model.eval()
    order, outputs = np.argsort(row_lengths(inputs), kind="stable"), []
    for part in np.array_split(order, math.ceil(len(order) / (2 * MICRO_BATCH))):
        batch = {name: value.to(DEVICE) for name, value in to_batch(inputs[part]).items()}
        with torch.no_grad(), torch.autocast(DEVICE.type, torch.bfloat16, enabled=BF16):
            outputs.append(predict_batch(model, batch).cpu().numpy())
    return np.concatenate(outputs)[np.argsort(order)]


def evaluate(model: nn.Module, inputs: np.ndarray, y: np.ndarray, statistics: Values) -> Values:
    """The scores of the model's predictions."""
    # region scores
    p = predict(model, inputs, statistics)
    return {"accuracy": accuracy(y, p)}
    # endregion


def save(
    model: nn.Module, optimizer: Optimizer, epoch: int, statistics: Values, folder: str
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


def load(model: nn.Module, optimizer: Optimizer, folder: str) -> tuple[int, Values]:
    """Fill model and optimizer from a saved folder; returns the epochs done and no statistics."""
    state = torch.load(Path(folder) / "checkpoint.pt", map_location="cpu", weights_only=True)
    states.set_model_state_dict(model, state["model"], options=WHOLE)
    if "optimizer" in state:
        states.set_optimizer_state_dict(model, optimizer, state["optimizer"], options=WHOLE)
    # region load
    # endregion
    return state["epoch"], {}


# region merge
def merge(model: nn.Module, folder: str) -> None:
    """Write the trained model as a folder that transformers reads, its adapter put into it."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    model.merge_and_unload().save_pretrained(folder)
    AutoTokenizer.from_pretrained(PRETRAINED).save_pretrained(folder)


# endregion
# region metrics
# endregion


def main() -> None:
    """Run what the command line asks for."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=DATA, help="the data set (default: %(default)s)")
    parser.add_argument("--cv", action="store_true", help="cross-validate")
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="train and score one fold")
    epochs = range(1, EPOCHS + 1)
    parser.add_argument("--epochs", type=int, default=EPOCHS, choices=epochs, help="train so long")
    parser.add_argument("--predict", metavar="FILE", help="rows to predict with saved weights")
    # region merging
    parser.add_argument("--merge", metavar="FOLDER", help="write the trained model there")
    # endregion
    parser.add_argument("--weights", default=str(Path(__file__).resolve().with_name("weights")))
    args = parser.parse_args()
    if WORLD_SIZE > 1:
        dist.init_process_group()
    # region saved
    if args.predict or args.merge:
        model = build_model().to(DEVICE)
        load(model, build_optimizer(model), args.weights)
        if args.merge:
            merge(model, args.merge)
            return
        print_predictions(predict(model, read_inputs(args.predict), {}))
        return
    # endregion
    # region loading
    x, y, x_test, y_test = load_data(args.data)
    # endregion
    if args.cv:
        scores = [train(x, y, fold, epochs=args.epochs)[2][METRIC] for fold in range(FOLDS)]
        result = {"folds": scores, "mean": np.mean(scores), "std": np.std(scores, ddof=1)}
    else:
        model, _, result = train(x, y, args.fold, epochs=args.epochs)
        if args.fold is None:
            result = {"test": evaluate(model, x_test, y_test, {})}
            save(model, build_optimizer(model), args.epochs, {}, args.weights)
    print_report(result)


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as error:  # the data, rows to predict, or weights
        raise SystemExit(f"FileNotFoundError: {error}") from None
