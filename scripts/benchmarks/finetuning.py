"""What fine-tuning of small pretrained models comes to on real data, and what it costs.

python scripts/benchmarks/finetuning.py [NAME ...]      those of examples/finetune, one by one

Models are made by scripts/pretrained.py, data lie in ../shared/data. A run that was cut off goes
on where it was; a line of the table is printed after each.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import yaml

from raygen.runs.paths import RunPaths
from raygen.runs.records import History

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "finetuning"
WRITERS = ("dialogsum", "fsdd")
"""Whose models can do the task before they are tuned."""
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def main() -> None:
    """Run the configs that are asked for and print their rows."""
    known = sorted(path.stem for path in (ROOT / "examples" / "finetune").glob("*.yaml"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    write_spoken_digits(OUT / "fsdd.csv")
    print("| config | method | trained numbers | before | test | minutes |\n" + "|---" * 6 + "|")
    for name in args.names or known:
        print(row_of(name, args.set), flush=True)


def row_of(name: str, overrides: list[str]) -> str:
    """Run a config, and give its row of the table."""
    config = ROOT / "examples" / "finetune" / f"{name}.yaml"
    given = yaml.safe_load(config.read_text(encoding="utf-8"))
    searches = bool(given["model"].get("parameters"))
    verb = ["generate", "--config"] if searches else ["finetune"]
    paths = RunPaths(OUT / name)
    command = [sys.executable, "-m", "raygen", *verb, str(config)]
    command += ["--run-dir", str(paths.folder), "--output", str(OUT / f"{name}.py")]
    began = time.monotonic()
    subprocess.run(
        [*command, *(word for each in overrides for word in ("--set", each))], cwd=ROOT, check=True
    )
    minutes = (time.monotonic() - began) / 60
    history = History.read(paths.journal)
    trial = history.trials[history.test["trial_id"]]
    before = told(untuned_scores(OUT / f"{name}.py")) if name in WRITERS else ""
    cells = (
        name,
        given["model"]["method"] + (f", {len(history.trials)} trials" if searches else ""),
        f"{trial.num_parameters:,}",
        before,
        told(history.test["metrics"]),
        f"{minutes:.1f}",
    )
    return "| " + " | ".join(cells) + " |"


def untuned_scores(path: Path) -> dict[str, Any]:
    """What the emitted program's model scores on the test rows before any training."""
    program = imported(path)
    _, _, x, y = program.load_data()
    scores: dict[str, Any] = program.evaluate(program.build_model(), x, y, {})
    return scores


def imported(path: Path) -> ModuleType:
    """A program as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def told(scores: dict[str, Any]) -> str:
    """Scores, the nested ones left out."""
    numbers = {name: value for name, value in scores.items() if isinstance(value, float)}
    return ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())


def write_spoken_digits(path: Path) -> None:
    """The recordings of FSDD with the words that are spoken."""
    folder = ROOT.parent / "shared" / "data" / "speech" / "fsdd"
    table = pd.read_csv(folder / "metadata.csv")
    files = [str(folder / name) for name in table["file"]]
    words = [DIGITS[digit] for digit in table["digit"]]
    spoken = pd.DataFrame({"audio": files, "transcript": words, "split": table["split"]})
    spoken.to_csv(path, index=False)


if __name__ == "__main__":
    main()
