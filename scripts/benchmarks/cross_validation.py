"""What racing saves on real data: against all folds, and against scikit-learn's cross_val_score.

python scripts/benchmarks/cross_validation.py digits adult california --data ../shared/data

Ten candidates are searched once for each data set. From copies of that run they are ranked by a
race and by all folds; cross_val_score then trains the very same programs on the very same folds.
All three have the CPUs of this machine, one thread for each training.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import cross_val_score

CONFIGS = {
    "digits": """
task: {name: ImageClassification, dataset: {name: digits}}
search: {trials: 10, max_epochs: 8}
""",
    "adult": """
task:
  name: TabularClassification
  dataset: {path: DATA/tabular/adult.parquet, target: income, train_split: train, test_split: test}
model: {parameters: {batch_size: 256}}
search: {trials: 10, max_epochs: 3}
""",
    "fashion": """
task: {name: ImageClassification, dataset: {path: DATA/images/fashion_mnist.npz}}
model: {space: image/mlp, parameters: {batch_size: 128}}
search: {trials: 10, max_epochs: 6}
""",
    "ag_news": """
task:
  name: TextClassification
  dataset:
    path: DATA/text/ag_news.parquet
    text: text
    target: label
    train_split: train
    test_split: test
model: {space: text/textcnn}
search: {trials: 10, max_epochs: 2}
""",
    "california": """
task:
  name: TabularRegression
  dataset:
    path: DATA/tabular/california_housing.parquet
    target: median_house_value
    train_split: train
    test_split: test
  metric: r2
model: {parameters: {batch_size: 128}}
search: {trials: 10, max_epochs: 5}
""",
}


def main() -> None:
    """Do it for each data set, and print a line of a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(CONFIGS), metavar="NAME")
    parser.add_argument("--data", default="../shared/data", help="folder of the data sets")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    print(
        "| data | race: trainings | s | all folds: trainings | s | cross_val_score: s "
        "| winner of race / all | in the tied set | largest difference of a score |"
    )
    print("|---" * 9 + "|")
    for name in args.names:
        with tempfile.TemporaryDirectory() as folder:
            print(line_of(name, Path(folder), args), flush=True)


def line_of(name: str, folder: Path, args: argparse.Namespace) -> str:
    """Search, rank twice, and let scikit-learn do it."""
    text = CONFIGS[name].replace("DATA", str(Path(args.data).resolve()))
    terms = f"rank: {{top: 10, folds: {args.folds}, repeats: {args.repeats}}}\n"
    (folder / "config.yaml").write_text(f"name: {name}{text}{terms}")
    searched = folder / "searched"
    raygen(folder, "search", "--config", "config.yaml", "--run-dir", str(searched))
    told = {}
    for method in ("race", "full"):
        run = folder / method
        shutil.copytree(searched, run)
        started = time.monotonic()
        raygen(folder, "rank", str(run), "--set", f"rank.method={method}")
        told[method] = time.monotonic() - started, board_of(run)
    (race_s, race), (full_s, full) = told["race"], told["full"]
    names = [entry["trial_id"] for entry in full["entries"]]
    started = time.monotonic()
    theirs = {each: folds_by_sklearn(folder / "full", each) for each in names}
    sklearn_s = time.monotonic() - started
    apart = max(
        abs(float(ours) - float(other))
        for entry in full["entries"]
        for ours, other in zip(entry["folds"], theirs[entry["trial_id"]], strict=True)
    )
    first, best = (each["entries"][0]["trial_id"] for each in (race, full))
    return (
        f"| {name} | {race['fold_fits']['run']} of {race['fold_fits']['full']} | {race_s:.0f} "
        f"| {full['fold_fits']['run']} | {full_s:.0f} | {sklearn_s:.0f} | {first} / {best} "
        f"| {'yes' if first in full['tied'] else 'no'}, of {len(full['tied'])} | {apart:.1e} |"
    )


def raygen(folder: Path, *words: str) -> None:
    """Run a verb; what it says is shown if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "raygen", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)


def board_of(run: Path) -> dict[str, Any]:
    """The leaderboard of a run."""
    board: dict[str, Any] = json.loads((run / "leaderboard.json").read_text())
    return board


class Estimator(BaseEstimator):
    """A model.py as scikit-learn sees a classifier or a regression."""

    def __init__(self, file: str) -> None:
        self.file = file

    def fit(self, x: np.ndarray, y: np.ndarray) -> Estimator:
        """Train on these rows."""
        self.module = module_of(self.file)
        with contextlib.redirect_stdout(io.StringIO()):
            self.network, self.statistics, _ = self.module.train(x, y)
        return self

    def score(self, x: np.ndarray, y: np.ndarray) -> float:
        """The program's metric on these."""
        model = self.module
        inputs = model.to_inputs(model.preprocess(x, self.statistics))
        return float(model.evaluate(self.network, inputs, y, self.statistics)[model.METRIC])


def folds_by_sklearn(run: Path, trial_id: str) -> list[float]:
    """What cross_val_score says of a candidate, with as many processes as there are CPUs."""
    file = run / "trials" / trial_id / "model.py"
    model = module_of(str(file))
    x, y, *_ = model.load_data()
    folds = [model.split(y, fold) for fold in range(model.FOLDS)]
    scores = cross_val_score(Estimator(str(file)), x, y, cv=folds, n_jobs=os.cpu_count())
    return [float(score) for score in scores]


def module_of(file: str) -> Any:
    """The program, imported."""
    spec = importlib.util.spec_from_file_location("model", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
