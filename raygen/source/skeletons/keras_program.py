"""A classifier of handwritten digits: the Keras program that every generated model.py follows.

python model.py                  train on all training rows, score the test rows, save the weights
python model.py --cv             repeat the k-fold cross-validation
python model.py --predict FILE   predict with the saved weights, one line of JSON for each row
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

# all three are read when TensorFlow is imported or started
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from raygen.data.fragments.digits import load_data, read_inputs
from raygen.data.fragments.folds import split
from raygen.data.fragments.inputs_image import fit_preprocessing, preprocess
from raygen.source.skeletons.keras_classification import (
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


# region data
# endregion


# region preprocessing
# endregion


# region blocks
# endregion


def build_model() -> keras.Model:
    """The network, with weights drawn from SEED."""
    keras.utils.set_random_seed(SEED)
    # region layers
    inputs = keras.Input((8, 8, 1))
    x = inputs
    x = layers.Conv2D(16, 3, padding="same")(x)
    x = layers.Activation("relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.1)(x)
    x = layers.Dense(10)(x)
    return keras.Model(inputs, x)
    # endregion


def build_optimizer(model: keras.Model) -> keras.Optimizer:
    """The optimizer; ``train_epoch`` sets its learning rate and weight decay as it goes."""
    with STRATEGY.scope():
        # region optimizer
        optimizer = keras.optimizers.AdamW(epsilon=1e-8)
        # endregion
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
    # region decay
    done = (progress - warmup) / max(EPOCHS - warmup, 1e-9)
    return float(peak * (1 + math.cos(math.pi * done)) / 2)
    # endregion


# region outputs
# endregion


def to_inputs(x: np.ndarray) -> tf.Tensor:
    """Preprocessed rows as the network takes them."""
    # region inputs
    return tf.convert_to_tensor(x)
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
) -> tuple[keras.Model, Statistics, dict[str, Any]]:
    """Train on the rows outside a fold (None: on all) and score the fold's rows after each epoch.

    Randomness depends on SEED and the epoch alone, so training that resumes from a saved folder
    goes on exactly as if it had never stopped. Returns model, statistics and the last metrics.
    """
    rows, held_out = split(y, fold)
    # region targets
    statistics, targets = fit_preprocessing(x[rows]), tf.convert_to_tensor(y[rows])
    # endregion
    with STRATEGY.scope():
        model = build_model()
    optimizer, start, metrics = build_optimizer(model), 0, {}
    if resume is not None:
        start, _ = load(model, optimizer, resume)
    run_epoch = tf.function(partial(train_epoch, model, optimizer))
    # region rows
    inputs = to_inputs(preprocess(x[rows], statistics))
    # endregion
    x_held_out = to_inputs(preprocess(x[held_out], statistics))
    for epoch in range(start, epochs):
        settings, rng = hyperparameters(epoch), np.random.default_rng((SEED, epoch))
        order = tf.convert_to_tensor(rng.permutation(len(rows)))
        for layer in model.layers:
            if hasattr(layer, "seed_generator"):  # dropout
                layer.seed_generator.state.assign(rng.integers(2**31, size=2))
        # region augmentation
        # endregion
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
    # region scores
    return {"accuracy": accuracy(y, p), "log_loss": log_loss(y, p)}
    # endregion


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
