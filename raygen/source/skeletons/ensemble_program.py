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
    # region fields
    build_model: Callable[[], Any]
    build_optimizer: Callable[[Any], Any]
    train: Callable[..., tuple[Any, dict[str, Any], dict[str, Any]]]
    preprocess: Callable[[np.ndarray, dict[str, Any]], np.ndarray]
    to_inputs: Callable[[np.ndarray], Any]
    predict: Callable[[Any, Any, dict[str, Any]], np.ndarray]
    save: Callable[..., None]
    load: Callable[..., tuple[int, dict[str, Any]]]
    # endregion


# region members
MEMBERS = [
    Member(1, build_model, build_optimizer, train, preprocess, to_inputs, predict, save, load),
]
# endregion


def train_members(
    x: np.ndarray,
    y: np.ndarray,
    folds: list[int | None],
    rows: np.ndarray,
    epochs: int = EPOCHS,
    folder: str = "",
) -> np.ndarray:
    """Train each member outside each of the folds (None: on all rows), as its own file does.

    One network is in memory at a time; the folder, if there is one, gets the weights of all.
    Returns the mean of what they predict of some rows, each as often as its member is counted.
    """
    if folder:
        (Path(folder) / "members.json").unlink(missing_ok=True)  # until all are trained
    parts, counts, names = [], [], []
    for number, member in enumerate(MEMBERS):
        for fold in folds:
            report = partial(report_member, number)
            model, statistics, _ = member.train(x, y, fold, report=report, epochs=epochs)
            parts.append(predict_member(member, model, rows, statistics))
            counts.append(member.times)
            names.append(str(number) if fold is None else f"{number}-{fold}")
            if folder:
                optimizer, place = member.build_optimizer(model), str(Path(folder) / names[-1])
                member.save(model, optimizer, epochs, statistics, place)
            del model
    if folder and RANK == 0:
        (Path(folder) / "members.json").write_text(json.dumps(names), encoding="utf-8")
    return np.average(np.array(parts, float), axis=0, weights=counts)


def report_member(number: int, metrics: dict[str, Any], save: Callable[[str], None]) -> None:
    """Tell which member's epoch it was."""
    print_report({"member": number, **metrics}, save)


def predict_member(
    member: Member, model: Any, x: np.ndarray, statistics: dict[str, Any]
) -> np.ndarray:
    """What one network predicts of some rows."""
    # region inputs
    x = member.to_inputs(member.preprocess(x, statistics))
    # endregion
    return member.predict(model, x, statistics)


def predict_together(folder: str, x: np.ndarray) -> np.ndarray:
    """The mean of what the networks of ``train_members`` predict, read from their folder."""
    parts, counts = [], []
    for name in json.loads((Path(folder) / "members.json").read_text(encoding="utf-8")):
        member = MEMBERS[int(name.split("-")[0])]
        # region place
        model = member.build_model().to(DEVICE)
        # endregion
        place = str(Path(folder) / name)
        _, statistics = member.load(model, member.build_optimizer(model), place)
        parts.append(predict_member(member, model, x, statistics))
        counts.append(member.times)
        del model
    return np.average(np.array(parts, float), axis=0, weights=counts)


def score(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """The scores of predictions."""
    # region score
    return {"accuracy": float(np.mean(p.argmax(axis=1) == y))}
    # endregion


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=DATA, help="the data set (default: %(default)s)")
    parser.add_argument("--cv", action="store_true", help="cross-validate")
    # region bag
    parser.add_argument("--bag", action="store_true", help="train each member outside each fold")
    # endregion
    epochs = range(1, EPOCHS + 1)
    parser.add_argument("--epochs", type=int, default=EPOCHS, choices=epochs, help="train so long")
    parser.add_argument("--predict", metavar="FILE", help="rows to predict with saved weights")
    weights = Path(__file__).resolve().with_name("ensemble-weights")
    parser.add_argument("--weights", default=str(weights))
    args = parser.parse_args()
    # region processes
    # endregion

    if args.predict:
        print_predictions(predict_together(args.weights, read_inputs(args.predict)))
        return
    # region loading
    x, y, x_test, y_test = load_data(args.data)
    # endregion
    if args.cv:
        scores = []
        for fold in range(FOLDS):
            _, held_out = split(y, fold)
            p = train_members(x, y, [fold], x[held_out], args.epochs)
            scores.append(score(y[held_out], p)[METRIC])
        result = {"folds": scores, "mean": np.mean(scores), "std": np.std(scores, ddof=1)}
    else:
        folds: list[int | None] = [*range(FOLDS)] if args.bag else [None]
        p = train_members(x, y, folds, x_test, args.epochs, args.weights)
        result = {"test": score(y_test, p)}
    if RANK == 0:
        print(json.dumps(result))


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as error:  # the data, rows to predict, or weights
        raise SystemExit(f"FileNotFoundError: {error}") from None
