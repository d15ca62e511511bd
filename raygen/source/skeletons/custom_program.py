"""An objective of the user's own: the program that every model.py of a Custom task follows.

python model.py                       run it with PARAMETERS, one line of JSON for each report
python model.py --seed 7              with another seed
python model.py --checkpoint FOLDER   save there as it goes, and go on from there the next time
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from raygen.source.skeletons.custom_function import run

# region constants
FOLDER = "."
FILES = {"train.py": "0" * 64}
FUNCTION = "train"
TAKES = ("report", "resume")
METRICS = ("loss",)
SEED = 0
EPOCHS = 3
PARAMETERS: dict[str, Any] = {"lr": 0.1, "width": 16}
SCHEDULE: list[tuple[int, dict[str, Any]]] = []
# endregion

Save = Callable[[str], None]
Report = Callable[[dict[str, Any], Save | None], None]


class Enough(BaseException):
    """Ends the objective from within ``report``; no ``except Exception`` catches it."""


def parameters(epoch: int, seed: int = SEED) -> dict[str, Any]:
    """What the objective is given in an epoch: PARAMETERS, as SCHEDULE has changed them by then."""
    known: dict[str, Any] = {"seed": seed, "epochs": EPOCHS, **PARAMETERS}
    for start, new in SCHEDULE:
        known |= new if start <= epoch else {}
    return known


def home() -> Path:
    """The folder of the user's files: above this file or as searched, best where none changed."""
    above = Path(__file__).resolve().parents if FILES else ()
    folders = [each for each in (*above, Path(FOLDER)) if all((each / f).is_file() for f in FILES)]
    same = [each for each in folders if all(sha(each / f) == FILES[f] for f in FILES)]
    if not folders:
        sys.exit(f"{' and '.join(FILES)} must lie in {FOLDER}, or beside or above this file")
    if not same:
        print(f"{' or '.join(FILES)} has changed since it was searched", file=sys.stderr)
    return (same or folders)[0]


def sha(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def print_report(metrics: dict[str, Any], save: Save | None) -> None:
    """Tell how an epoch went, as one line of JSON."""
    print(json.dumps(metrics), flush=True)


def train(
    x: Any = None,
    y: Any = None,
    fold: int | None = None,
    report: Report = print_report,
    resume: str | None = None,
    epochs: int = EPOCHS,
    seed: int = SEED,
) -> tuple[None, dict[str, Any], dict[str, Any]]:
    """Run the objective until so many epochs are done; rows and folds are its own business.

    Where SCHEDULE changes a parameter, the objective is ended after it has saved, and begun anew
    from there. Returns no model, no statistics, and the metrics of the last report.
    """
    reports, returned = Reports(report, done=read_epoch(resume)), None
    *turns, last = stretches(reports.epoch, epochs)
    with tempfile.TemporaryDirectory() if turns else nullcontext("") as kept:
        for until in (*turns, last):
            reports.until = until
            reports.kept = Path(kept) / str(until) if until != last else None
            state = None if resume is None else str(Path(resume) / "state")
            try:
                returned = run(home(), parameters(reports.epoch, seed), reports, state)
                break
            except Enough:
                resume = str(reports.kept)
    if not reports.metrics:
        reports(as_metrics(returned), None)
    return None, {}, reports.metrics


def stretches(done: int, epochs: int) -> list[int]:
    """The epochs after which the objective is ended: where SCHEDULE says so, and the last."""
    return [*(start for start, _ in SCHEDULE if done < start < epochs), epochs]


class Reports:
    """The ``report`` that the objective is given: it counts, checks and passes on."""

    def __init__(self, report: Report, done: int) -> None:
        self.report, self.epoch = report, done
        self.metrics: dict[str, Any] = {}
        self.until = EPOCHS
        self.kept: Path | None = None

    def __call__(self, metrics: Mapping[str, Any], save: Save | None = None) -> None:
        """Take the metrics of an epoch, which has the next number if they do not say.

        Args:
            metrics: Every metric that is searched by, and whatever else is of interest.
            save: Writes into the folder it is given all that the objective needs to go on; None
                if it cannot.
        """
        plain = self.checked(metrics)
        if plain["epoch"] > EPOCHS:
            raise Enough
        self.epoch, self.metrics = plain["epoch"], plain
        whole = None if save is None else partial(save_state, save, self.epoch)
        self.report(plain, whole)
        if self.epoch < self.until or self.until == EPOCHS:
            return
        if self.kept is not None:
            if whole is None:
                raise ValueError("SCHEDULE changes a parameter: report(metrics, save) must save")
            whole(str(self.kept))
        raise Enough

    def checked(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """The metrics as plain numbers and texts, with their epoch.

        Raises:
            ValueError: One that is searched by is missing or no number, or the epoch is no next.
        """
        if not isinstance(metrics, Mapping):
            raise ValueError(f"report() must be given a dict, not a {type(metrics).__name__}")
        plain = {str(name): as_plain(name, value) for name, value in metrics.items()}
        for name in METRICS:
            if name not in plain:
                known = ", ".join(plain) or "nothing"
                raise ValueError(f"metric {name!r} must be reported; {known} was")
            if isinstance(plain[name], str):
                raise ValueError(f"metric {name!r} must be a number, not {plain[name]!r}")
            plain[name] = float(plain[name])
        epoch = plain.get("epoch", self.epoch + 1)
        if isinstance(epoch, str) or epoch != int(epoch) or epoch <= self.epoch:
            raise ValueError(f"epoch {epoch} was reported after epoch {self.epoch}; 1 is the first")
        return {"epoch": int(epoch)} | {k: v for k, v in plain.items() if k != "epoch"}


def as_plain(name: object, value: Any) -> float | str:
    """A number or a text, out of an array or a tensor of one number if need be."""
    plain = value.item() if hasattr(value, "item") else value
    if not isinstance(plain, (bool, int, float, str)):
        raise ValueError(f"{name!r} must be a number or a text, not a {type(value).__name__}")
    return plain


def as_metrics(returned: Any) -> dict[str, Any]:
    """What an objective that reports nothing returns: the metrics after all epochs.

    Raises:
        ValueError: It returned nothing.
    """
    if returned is None:
        raise ValueError("the objective must report its metrics, or return them; it did neither")
    scores = returned if isinstance(returned, Mapping) else {METRICS[0]: returned}
    return {"epoch": EPOCHS, **scores}


def save_state(save: Save, epoch: int, folder: str) -> None:
    """Let the objective save into a folder of its own, beside the number of epochs done."""
    state = Path(folder) / "state"
    state.mkdir(parents=True, exist_ok=True)
    save(str(state))
    (Path(folder) / "epoch.json").write_text(json.dumps(epoch), encoding="utf-8")


def read_epoch(folder: str | None) -> int:
    """How many epochs were done when a folder was saved."""
    if folder is None:
        return 0
    return int(json.loads((Path(folder) / "epoch.json").read_text(encoding="utf-8")))


# region objective
# endregion


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="stop after so many epochs")
    parser.add_argument("--seed", type=int, default=SEED, help="seed (default: %(default)s)")
    parser.add_argument("--checkpoint", metavar="FOLDER", type=Path, help="save there and go on")
    args = parser.parse_args()

    folder = args.checkpoint and args.checkpoint.resolve()

    def report(metrics: dict[str, Any], save: Save | None) -> None:
        if folder and save and all(math.isfinite(metrics[name]) for name in METRICS):
            draft = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(draft, ignore_errors=True)
            save(str(draft))
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
        print_report(metrics, save)

    resume = str(folder) if folder and folder.is_dir() else None
    train(report=report, resume=resume, epochs=args.epochs, seed=args.seed)


if __name__ == "__main__":
    main()
