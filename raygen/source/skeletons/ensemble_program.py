"""Several networks whose predictions are averaged: what every generated ensemble.py ends with.

python ensemble.py                  train all members, score the test rows, save the weights
python ensemble.py --bag            the same, each member once without each fold: all are averaged
python ensemble.py --cv             repeat the k-fold cross-validation
python ensemble.py --predict FILE   predict with the saved weights, one line of JSON for each row
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from raygen.data.fragments.digits import load_data, read_inputs
from raygen.data.fragments.folds import split
from raygen.data.fragments.inputs_image import preprocess
from raygen.source.skeletons.torch_classification import print_predictions
from raygen.source.skeletons.torch_program import (
    DATA,
    DEVICE,
    EPOCHS,
    FOLDS,
    METRIC,
    RANK,
    build_model,
    build_optimizer,
    load,
    predict,
    print_report,
    save,
    to_inputs,
    train,
)


class Member(NamedTuple):
    """A network of the ensemble: how often it is counted, and the functions of its own file."""

    times: int
    build_model: Callable[[], Any]
    build_optimizer: Callable[[Any], Any]
    train: Callable[..., tuple[Any, dict[str, np.ndarray], dict[str, Any]]]
    preprocess: Callable[[np.ndarray, dict[str, np.ndarray]], np.ndarray]
    to_inputs: Callable[[np.ndarray], Any]
    predict: Callable[[Any, Any, dict[str, np.ndarray]], np.ndarray]
    save: Callable[..., None]
    load: Callable[..., tuple[int, dict[str, np.ndarray]]]


# region members
MEMBERS = [
    Member(1, build_model, build_optimizer, train, preprocess, to_inputs, predict, save, load),
]
# endregion

Trained = list[tuple[str, Member, Any, dict[str, np.ndarray]]]


def train_members(
    x: np.ndarray, y: np.ndarray, folds: list[int | None], epochs: int = EPOCHS
) -> Trained:
    """Train each member on the rows outside each of the folds (None: on all), as its file does."""
    trained = []
    for number, member in enumerate(MEMBERS):
        for fold in folds:
            report = partial(report_member, number)
            model, statistics, _ = member.train(x, y, fold, report=report, epochs=epochs)
            name = str(number) if fold is None else f"{number}-{fold}"
            trained.append((name, member, model, statistics))
    return trained


def report_member(number: int, metrics: dict[str, Any], save: Callable[[str], None]) -> None:
    """Tell which member's epoch it was."""
    print_report({"member": number, **metrics}, save)


def predict_together(trained: Trained, x: np.ndarray) -> np.ndarray:
    """The mean of the predictions, each as often as its member is counted."""
    parts, counts = [], []
    for _, member, model, statistics in trained:
        inputs = member.to_inputs(member.preprocess(x, statistics))
        parts.append(member.predict(model, inputs, statistics))
        counts.append(member.times)
    return np.average(np.array(parts, float), axis=0, weights=counts)


def score(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """The scores of predictions."""
    # region score
    return {"accuracy": float(np.mean(p.argmax(axis=1) == y))}
    # endregion


def save_members(trained: Trained, epochs: int, folder: str) -> None:
    """Write the weights of each network into a folder of its own, and which ones there are."""
    for name, member, model, statistics in trained:
        optimizer = member.build_optimizer(model)
        member.save(model, optimizer, epochs, statistics, str(Path(folder) / name))
    names = [name for name, *_ in trained]
    if RANK == 0:
        (Path(folder) / "members.json").write_text(json.dumps(names), encoding="utf-8")


def load_members(folder: str) -> Trained:
    """Read what ``save_members`` has written."""
    trained = []
    for name in json.loads((Path(folder) / "members.json").read_text(encoding="utf-8")):
        member = MEMBERS[int(name.split("-")[0])]
        # region place
        model = member.build_model().to(DEVICE)
        # endregion
        place = str(Path(folder) / name)
        _, statistics = member.load(model, member.build_optimizer(model), place)
        trained.append((name, member, model, statistics))
    return trained


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=DATA, help="the data set (default: %(default)s)")
    parser.add_argument("--cv", action="store_true", help="cross-validate")
    parser.add_argument("--bag", action="store_true", help="train each member outside each fold")
    epochs = range(1, EPOCHS + 1)
    parser.add_argument("--epochs", type=int, default=EPOCHS, choices=epochs, help="train so long")
    parser.add_argument("--predict", metavar="FILE", help="rows to predict with saved weights")
    weights = Path(__file__).resolve().with_name("ensemble-weights")
    parser.add_argument("--weights", default=str(weights))
    args = parser.parse_args()

    if args.predict:
        x = read_inputs(args.predict)
        print_predictions(predict_together(load_members(args.weights), x))
        return
    x, y, x_test, y_test = load_data(args.data)
    if args.cv:
        scores = []
        for fold in range(FOLDS):
            _, held_out = split(y, fold)
            trained = train_members(x, y, [fold], args.epochs)
            scores.append(score(y[held_out], predict_together(trained, x[held_out]))[METRIC])
        result = {"folds": scores, "mean": np.mean(scores), "std": np.std(scores, ddof=1)}
    else:
        folds: list[int | None] = [*range(FOLDS)] if args.bag else [None]
        trained = train_members(x, y, folds, args.epochs)
        result = {"test": score(y_test, predict_together(trained, x_test))}
        save_members(trained, args.epochs, args.weights)
    if RANK == 0:
        print(json.dumps(result))


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as error:  # the data, rows to predict, or weights
        raise SystemExit(f"FileNotFoundError: {error}") from None
