"""Tabular regression, wages: a Keras network found by RayGen.

python model.py                  train on all training rows, score the test rows, save the weights
python model.py --cv             repeat the k-fold cross-validation
python model.py --predict FILE   predict with the saved weights, one line of JSON for each row
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

# all three are read when TensorFlow is imported or started
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers

DATA = "data/people.csv"
NUMERIC = ("age", "hours")
CATEGORIES = {"work": 3, "sex": 2}
TARGET = "income"
MISSING = ("hours", "work")
METRIC = "r2"
SEED = 0
FOLDS = 5
EPOCHS = 4
THREADS = 1
SCHEDULE: list[tuple[int, dict[str, Any]]] = [
    (0, {"learning_rate": 0.003, "warmup_epochs": 1.0, "weight_decay": 0.01, "batch_size": 64}),
]

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(1)
tf.config.experimental.enable_op_determinism()
PROCESSES = json.loads(os.environ.get("TF_CONFIG", "{}"))  # set by who starts several
RANK = PROCESSES.get("task", {}).get("index", 0)
WORLD_SIZE = len(PROCESSES.get("cluster", {}).get("worker", [0]))
STRATEGY = tf.distribute.get_strategy()  # of one process, which does nothing
if WORLD_SIZE > 1:
    STRATEGY = tf.distribute.MultiWorkerMirroredStrategy()

Statistics = dict[str, np.ndarray]
Report = Callable[[dict[str, Any], Callable[[str], None]], None]


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the rows and their targets: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path, CATEGORIES))
    return as_numbers(train), read_target(train), as_numbers(test), read_target(test)


def read_inputs(path: str) -> np.ndarray:
    """Read the rows to predict from a file with the same columns, the target apart."""
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
    """Read the numbers to predict."""
    return np.ascontiguousarray(frame[TARGET], np.float64)


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


def build_model() -> keras.Model:
    """The network, with weights drawn from SEED."""
    keras.utils.set_random_seed(SEED)
    inputs = keras.Input((11,))
    x = inputs
    x = layers.Dense(32)(x)
    shortcut = x
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9)(x)
    x = layers.Dense(64)(x)
    x = layers.Activation("relu")(x)
    x = layers.Dropout(0.1)(x)
    x = layers.Dense(32)(x)
    x = layers.Dropout(0.05)(x)
    x = layers.add([x, shortcut])
    shortcut = x
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9)(x)
    x = layers.Dense(64)(x)
    x = layers.Activation("relu")(x)
    x = layers.Dropout(0.1)(x)
    x = layers.Dense(32)(x)
    x = layers.Dropout(0.05)(x)
    x = layers.add([x, shortcut])
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9)(x)
    x = layers.Activation("relu")(x)
    x = layers.Dense(1)(x)
    return keras.Model(inputs, x)


def build_optimizer(model: keras.Model) -> keras.Optimizer:
    """The optimizer; ``train_epoch`` sets its learning rate and weight decay as it goes."""
    with STRATEGY.scope():
        optimizer = keras.optimizers.SGD(momentum=0.9)
        optimizer.build(model.trainable_variables)
    return optimizer


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


def fit_targets(y: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and standard deviation of the training rows' target."""
    return {"target": np.array([y.mean(), max(y.std(), 1e-12)])}


def to_targets(y: np.ndarray, statistics: dict[str, np.ndarray]) -> tf.Tensor:
    """Values in units of the standard deviation."""
    mean, scale = statistics["target"]
    return tf.convert_to_tensor(((y - mean) / scale).astype(np.float32))


def criterion(outputs: tf.Tensor, targets: tf.Tensor, settings: dict[str, Any]) -> tf.Tensor:
    """Mean squared error of the outputs (N, 1)."""
    return keras.losses.MeanSquaredError()(targets, outputs[:, 0])


def to_predictions(outputs: tf.Tensor, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Outputs (N, 1) to values in the unit of the target."""
    mean, scale = statistics["target"]
    values: np.ndarray = outputs[:, 0].numpy().astype(np.float64) * scale + mean
    return values


def print_predictions(predictions: np.ndarray) -> None:
    """One line of JSON for each row: its value."""
    for row, value in enumerate(predictions):
        print(json.dumps({"row": row, "value": float(value)}))


def to_inputs(x: np.ndarray) -> tf.Tensor:
    """Preprocessed rows as the network takes them."""
    return tf.convert_to_tensor(x)


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
) -> tuple[keras.Model, Statistics, dict[str, Any]]:
    """Train on the rows outside a fold (None: on all) and score the fold's rows after each epoch.

    Randomness depends on SEED and the epoch alone, so training that resumes from a saved folder
    goes on exactly as if it had never stopped. Returns model, statistics and the last metrics.
    """
    rows, held_out = split(y, fold)
    statistics = {**fit_preprocessing(x[rows]), **fit_targets(y[rows])}
    targets = to_targets(y[rows], statistics)
    with STRATEGY.scope():
        model = build_model()
    optimizer, start, metrics = build_optimizer(model), 0, {}
    if resume is not None:
        start, _ = load(model, optimizer, resume)
    run_epoch = tf.function(partial(train_epoch, model, optimizer))
    inputs = to_inputs(preprocess(x[rows], statistics))
    x_held_out = to_inputs(preprocess(x[held_out], statistics))
    for epoch in range(start, epochs):
        settings, rng = hyperparameters(epoch), np.random.default_rng((SEED, epoch))
        order = tf.convert_to_tensor(rng.permutation(len(rows)))
        for layer in model.layers:
            if hasattr(layer, "seed_generator"):  # dropout
                layer.seed_generator.state.assign(rng.integers(2**31, size=2))
        steps = math.ceil(len(rows) / settings["batch_size"])
        rates = [learning_rate(epoch + (step + 0.5) / steps) for step in range(steps)]
        total = run_epoch(inputs, targets, order, tf.convert_to_tensor(rates), settings)
        metrics = {"epoch": epoch + 1, "train_loss": float(total) / len(rows)}
        if len(held_out):
            metrics |= evaluate(model, x_held_out, y[held_out], statistics)
        report(metrics, partial(save, model, optimizer, epoch + 1, statistics))
    return model, statistics, metrics


def train_epoch(
    model: keras.Model,
    optimizer: keras.Optimizer,
    inputs: tf.Tensor,
    targets: tf.Tensor,
    order: tf.Tensor,
    rates: tf.Tensor,
    settings: dict[str, Any],
) -> tf.Tensor:
    """Make one step for each learning rate; returns the sum of the rows' losses.

    All steps of an epoch are one graph, with the settings as its constants.
    """
    optimizer.weight_decay = settings["weight_decay"]
    total, rows, steps = 0.0, tf.size(order, tf.int64), tf.size(rates, tf.int64)
    for step in tf.range(steps):
        batch = order[step * rows // steps : (step + 1) * rows // steps]
        optimizer.learning_rate.assign(rates[step])
        given = model, optimizer, inputs, targets, batch, settings
        total += STRATEGY.run(train_step, given)
    return STRATEGY.run(sum_of_processes, (total,))


def train_step(
    model: keras.Model,
    optimizer: keras.Optimizer,
    inputs: tf.Tensor,
    targets: tf.Tensor,
    whole: tf.Tensor,
    settings: dict[str, Any],
) -> tf.Tensor:
    """Learn from this process's rows of a batch; returns the sum of their losses."""
    batch = whole[RANK::WORLD_SIZE]
    with tf.GradientTape() as tape:
        outputs = model(tf.gather(inputs, batch), training=True)
        # Keras has divided the loss by the number of processes
        loss = criterion(outputs, tf.gather(targets, batch), settings) * WORLD_SIZE
        share = tf.cast(tf.size(batch) / tf.size(whole), tf.float32)
        part = loss * share  # the optimizer adds up the gradients of the processes
    gradients = tape.gradient(part, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss * tf.cast(tf.size(batch), tf.float32)


def sum_of_processes(value: tf.Tensor) -> tf.Tensor:
    """What all processes together have of something."""
    here = tf.identity(value)  # it must be on a device that is known
    return tf.distribute.get_replica_context().all_reduce("SUM", here)


def predict(model: keras.Model, inputs: tf.Tensor, statistics: Statistics) -> np.ndarray:
    """Predictions for inputs that ``to_inputs`` made, in batches of 256 rows."""
    starts = range(0, len(inputs), 256)
    outputs = [model(inputs[start : start + 256], training=False) for start in starts]
    return to_predictions(tf.concat(outputs, axis=0), statistics)


def evaluate(
    model: keras.Model, inputs: tf.Tensor, y: np.ndarray, statistics: Statistics
) -> dict[str, float]:
    """The scores of the model's predictions."""
    p = predict(model, inputs, statistics)
    return {"r2": r2(y, p), "rmse": rmse(y, p)}


def save(
    model: keras.Model,
    optimizer: keras.Optimizer,
    epoch: int,
    statistics: Statistics,
    folder: str,
) -> None:
    """Write all that ``load`` needs to go on after so many epochs; process 0 does it for all."""
    if RANK:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    state: dict[str, Any] = {f"statistics.{name}": value for name, value in statistics.items()}
    state |= {f"model.{i}": variable.numpy() for i, variable in enumerate(model.weights)}
    state |= {f"optimizer.{i}": value.numpy() for i, value in enumerate(optimizer.variables)}
    np.savez(Path(folder) / "checkpoint.npz", epoch=epoch, **state)


def load(model: keras.Model, optimizer: keras.Optimizer, folder: str) -> tuple[int, Statistics]:
    """Fill model and optimizer from a saved folder; returns the epochs done and the statistics."""
    state = dict(np.load(Path(folder) / "checkpoint.npz"))
    for i, variable in enumerate(model.weights):
        variable.assign(state[f"model.{i}"])
    for i, variable in enumerate(optimizer.variables):
        variable.assign(state[f"optimizer.{i}"])
    statistics = {
        name.removeprefix("statistics."): value
        for name, value in state.items()
        if name.startswith("statistics.")
    }
    return int(state["epoch"]), statistics


def r2(y: np.ndarray, p: np.ndarray) -> float:
    """Share of the variance that is explained."""
    return float(1 - np.mean((y - p) ** 2) / np.mean((y - y.mean()) ** 2))


def rmse(y: np.ndarray, p: np.ndarray) -> float:
    """Root of the mean squared error, in the unit of the target."""
    return float(np.sqrt(np.mean((y - p) ** 2)))


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
        model = build_model()
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
