"""Descends a noisy quadratic; knows nothing of RayGen, and prints a line of JSON for each epoch."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--momentum", type=float, required=True)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--state", type=Path, help="folder to save in, and to go on from")
args = parser.parse_args()

x, speed, done = 5.0, 0.0, 0
file = args.state / "state.json" if args.state else None
if file and file.exists():
    x, speed, done = json.loads(file.read_text())
for epoch in range(done + 1, args.epochs + 1):
    rng = random.Random(1000 * args.seed + epoch)
    for _ in range(10):
        speed = args.momentum * speed - args.lr * (2 * x + rng.gauss(0, 1))
        x += speed
    if file:
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps([x, speed, epoch]))
        draft.replace(file)
    print(json.dumps({"epoch": epoch, "loss": x * x}), flush=True)
