"""The training loop of a generated model.py beside one written by hand, in one run.

python scripts/benchmarks/loop.py --rows 6000 --repeats 5

Both train the same small convolutional network on the same grey 28x28 images with AdamW, one
thread, the same batches and a cosine schedule by step; the repeats of the two alternate, and the
ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from raygen.config.spaces import load_space
from raygen.data.spec import DataSpec
from raygen.source.candidate import Candidate
from raygen.source.render import Blueprint
from raygen.tasks.task import TASKS, Objective

VALUES = {
    "stages": 2,
    "block": "plain",
    "filters": 16,
    "kernel": 3,
    "activation": "relu",
    "ending": "pooled",
    "dropout": 0.1,
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "schedule": "cosine",
    "warmup_epochs": 0.0,
    "weight_decay": 0.01,
    "batch_size": 64,
    "label_smoothing": 0.0,
    "augmentation": "none",
}
EPOCHS = 2


def main() -> None:
    """Time both and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (args.rows, 28, 28, 1), dtype=np.uint8)
    y = rng.integers(0, 10, args.rows)
    generated, hand = [], []
    program = load_program(args.rows)
    for _ in range(args.repeats):
        started = time.perf_counter()
        program.train(x, y, None, report=lambda metrics, save: None)
        generated.append(time.perf_counter() - started)
        started = time.perf_counter()
        train_by_hand(program.build_model(), x, y)
        hand.append(time.perf_counter() - started)
    ours, theirs = statistics.median(generated), statistics.median(hand)
    print(f"generated {ours:.2f} s, by hand {theirs:.2f} s: {ours / theirs:.3f} times the time")


def load_program(rows: int):
    """Render the network and import its model.py."""
    blueprint = Blueprint(
        name="loop",
        framework="torch",
        task_name="ImageClassification",
        task=TASKS["ImageClassification"],
        objectives=(Objective("accuracy", "max"),),
        spec=DataSpec(
            uri="digits",
            source="digits",
            modality="image",
            sha="",
            num_rows=rows,
            num_test_rows=1,
            input_shape=(28, 28, 1),
            classes=tuple(range(10)),
            constants={"DATA": "digits"},
        ),
        space=load_space("image/convnet"),
        seed=0,
        folds=5,
        epochs=EPOCHS,
        threads=1,
    )
    folder = tempfile.mkdtemp()
    (Path(folder) / "model.py").write_text(blueprint.render(Candidate(VALUES)).text)
    sys.path.insert(0, folder)
    import model

    return model


def train_by_hand(model: nn.Module, x: np.ndarray, y: np.ndarray) -> None:
    """The loop as one writes it for one network and nothing else."""
    scaled = ((x - x.mean()) / x.std()).astype(np.float32)
    inputs = torch.from_numpy(scaled).permute(0, 3, 1, 2)
    targets = torch.from_numpy(y)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.01)
    steps = EPOCHS * math.ceil(len(x) / 64)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(64):
            loss = nn.functional.cross_entropy(model(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


if __name__ == "__main__":
    main()
