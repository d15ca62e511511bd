"""TextClassification, texts: tiny-bert fine-tuned, found by RayGen.

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
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
import torch.distributed.checkpoint.state_dict as states
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.optim import AdamW, Optimizer
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

DATA = "texts.parquet"
PRETRAINED = "owner/tiny-bert"
TEXT = "text"
MAX_LENGTH = 11
PAD = 0
TARGET = "label"
TRAIN_SPLIT = "train"
TEST_SPLIT = "test"
CLASSES = [0, 1]
METRIC = "accuracy"
SEED = 0
FOLDS = 2
EPOCHS = 2
THREADS = 1
MICRO_BATCH = 32
MAX_GRAD_NORM = 1.0
SCHEDULE: list[tuple[int, dict[str, Any]]] = [
    (0, {"learning_rate": 0.001, "warmup_epochs": 0.2, "weight_decay": 0.01, "batch_size": 16}),
]

RANK, WORLD_SIZE = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
if DEVICE.type == "cuda":
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
GPU, CPU = DEVICE.type == "cuda", getattr(torch.cpu, "get_capabilities", dict[str, Any])()
BF16 = torch.cuda.is_bf16_supported(False) if GPU else bool(CPU.get("avx512_bf16"))
WHOLE = states.StateDictOptions(True, True, True, strict=False)  # on the CPU, what is trained
torch.set_num_threads(THREADS)
logging.set_verbosity_error()
logging.disable_progress_bar()

Values = dict[str, Any]
Report = Callable[[Values, Callable[[str], None]], None]


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the texts as token numbers, and their class numbers: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path, [TEXT]))
    return encode(train), read_target(train), encode(test), read_target(test)


def read_inputs(path: str) -> np.ndarray:
    """Read the texts to predict from a file with the same column of texts."""
    return encode(read_frame(path, [TEXT]))


def encode(frame: pd.DataFrame) -> np.ndarray:
    """Number the first MAX_LENGTH tokens of each text; PAD fills the rest of its row."""
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    tokenizer.pad_token_id, tokenizer.padding_side = PAD, "right"
    texts = frame[TEXT].fillna("").astype(str).tolist()
    kept = {"truncation": True, "padding": "max_length", "max_length": MAX_LENGTH}
    return np.array(tokenizer(texts or [""], **kept)["input_ids"][: len(texts)], np.int32)


def row_lengths(x: np.ndarray) -> np.ndarray:
    """Count the tokens of each row before its padding, at least one."""
    lengths: np.ndarray = (x != PAD).cumsum(axis=1).argmax(axis=1) + 1
    return lengths


def to_batch(x: np.ndarray) -> dict[str, torch.Tensor]:
    """Rows as the model takes them, without the padding that all have."""
    lengths = row_lengths(x)
    ids = torch.from_numpy(x[:, : lengths.max()].astype(np.int64))
    mask = torch.arange(ids.shape[1]) < torch.from_numpy(lengths)[:, None]
    return {"input_ids": ids, "attention_mask": mask.long()}


def read_frame(path: str, as_text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a .csv file, some columns as text even if they hold digits; or .jsonl, or .parquet."""
    if path.endswith(".csv"):
        return pd.read_csv(path, dtype=dict.fromkeys(as_text, str))
    return pd.read_json(path, lines=True) if path.endswith(".jsonl") else pd.read_parquet(path)


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


def build_model() -> nn.Module:
    """The pretrained model with what is trained of it; new weights are drawn from SEED."""
    torch.manual_seed(SEED)
    model = AutoModelForSequenceClassification.from_pretrained(
        PRETRAINED, dtype=torch.float32, num_labels=len(CLASSES), pad_token_id=PAD
    )
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=8,
        lora_alpha=16,
        target_modules=["query", "key", "value", "output.dense", "intermediate.dense"],
        modules_to_save=["bert.pooler.dense", "classifier"],
    )
    return get_peft_model(model, config)


def build_optimizer(model: nn.Module) -> Optimizer:
    """AdamW on what is trained; ``train`` sets its learning rate and weight decay as it goes."""
    return AdamW([weight for weight in model.parameters() if weight.requires_grad], fused=True)


def hyperparameters(progress: float) -> Values:
    """The settings after so many epochs, a fraction too; each of SCHEDULE holds from its epoch."""
    found = {key: v for start, new in SCHEDULE if start <= progress for key, v in new.items()}
    warmup = found["warmup_epochs"]
    done = (progress - warmup) / max(EPOCHS - warmup, 1e-9)
    share = progress / warmup if done < 0 else 1 - done
    return {**found, "learning_rate": found["learning_rate"] * share}


def count_targets(y: np.ndarray) -> int:
    """Count what the loss of these rows is a sum over."""
    return len(y)


def loss_sum(
    model: nn.Module, batch: dict[str, Any], targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """The cross-entropy of the classes, summed over the rows."""
    smoothing = settings.get("label_smoothing", 0.0)
    logits = model(**batch).logits.float()
    return nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="sum")


def predict_batch(model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """The probability of each class: (rows, classes)."""
    return model(**batch).logits.float().softmax(dim=1)


def print_predictions(predictions: np.ndarray) -> None:
    """Print a line of JSON for each row: its likeliest class and that class's probability."""
    for row, p in enumerate(predictions):
        label, probability = CLASSES[int(p.argmax())], round(float(p.max()), 6)
        print(json.dumps({"row": row, "label": label, "probability": probability}))


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
        network = nn.parallel.DistributedDataParallel(model)
    optimizer, metrics, micro_batch = build_optimizer(model), {}, MICRO_BATCH
    start = load(model, optimizer, resume)[0] if resume else 0
    lengths, num_targets = row_lengths(x[rows]), count_targets(y[rows])
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
        network.require_backward_grad_sync = number == parts - 1  # shared once they are whole
        own = part if len(part) else np.array([0])  # to take part in what all do together
        inputs = {name: value.to(DEVICE) for name, value in to_batch(x[own]).items()}
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=BF16):
            goals = torch.from_numpy(y[own]).to(DEVICE)
            loss = loss_sum(network, inputs, goals, settings) * min(1, len(part))
        (loss * WORLD_SIZE / count_targets(y)).backward()  # averaged over the processes
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
    return {"accuracy": accuracy(y, predict(model, inputs, statistics))}


def save(
    model: nn.Module, optimizer: Optimizer, epoch: int, statistics: Values, folder: str
) -> None:
    """Write the trained weights, and what ``load`` needs to go on; all processes must call it."""
    state = {"model": states.get_model_state_dict(model, options=WHOLE), "epoch": epoch}
    if optimizer.state:
        state["optimizer"] = states.get_optimizer_state_dict(model, optimizer, options=WHOLE)
    if RANK == 0:
        Path(folder).mkdir(parents=True, exist_ok=True)
        torch.save(state, Path(folder) / "checkpoint.pt")
        if epoch == EPOCHS:
            model.save_pretrained(folder, state_dict=state["model"], save_embedding_layers=False)


def load(model: nn.Module, optimizer: Optimizer, folder: str) -> tuple[int, Values]:
    """Fill model and optimizer from a saved folder; returns the epochs done and no statistics."""
    state = torch.load(Path(folder) / "checkpoint.pt", map_location="cpu", weights_only=True)
    states.set_model_state_dict(model, state["model"], options=WHOLE)
    if "optimizer" in state:
        states.set_optimizer_state_dict(model, optimizer, state["optimizer"], options=WHOLE)
    return state["epoch"], {}


def merge(model: nn.Module, folder: str) -> None:
    """Write the trained model as a folder that transformers reads, its adapter put into it."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    model.merge_and_unload().save_pretrained(folder)
    AutoTokenizer.from_pretrained(PRETRAINED).save_pretrained(folder)


def accuracy(y: np.ndarray, p: np.ndarray) -> float:
    """Share of rows whose likeliest class is the right one."""
    return float(np.mean(p.argmax(axis=1) == y))


def main() -> None:
    """Run what the command line asks for."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=DATA, help="the data set (default: %(default)s)")
    parser.add_argument("--cv", action="store_true", help="cross-validate")
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="train and score one fold")
    epochs = range(1, EPOCHS + 1)
    parser.add_argument("--epochs", type=int, default=EPOCHS, choices=epochs, help="train so long")
    parser.add_argument("--predict", metavar="FILE", help="rows to predict with saved weights")
    parser.add_argument("--merge", metavar="FOLDER", help="write the trained model there")
    parser.add_argument("--weights", default=str(Path(__file__).resolve().with_name("weights")))
    args = parser.parse_args()
    if WORLD_SIZE > 1:
        dist.init_process_group()
    if args.predict or args.merge:
        model = build_model().to(DEVICE)
        load(model, build_optimizer(model), args.weights)
        if args.merge:
            merge(model, args.merge)
            return
        print_predictions(predict(model, read_inputs(args.predict), {}))
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
    print_report(result)


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as error:  # the data, rows to predict, or weights
        raise SystemExit(f"FileNotFoundError: {error}") from None
