"""How long does a model.py's network take for the predictions of one row, before any training?

``python -m raygen.execute.latency ROWS MODULE...`` imports the modules once, reads the path of a
program from each line of its input, and writes the milliseconds.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from raygen.errors import TrialError
from raygen.source.candidate import Source

_WARM_UP, _TIMES = 3, 15
_ROWS = 64
"""Training rows that the preprocessing is fitted to; only its shape matters here."""


class Stopwatch:
    """A process of its own, with the packages imported, that forks a child for each program.

    Args:
        rows: Training rows, of shape (rows, ...).
        preload: Modules that the programs import.
        threads: CPUs that a prediction may use.
    """

    def __init__(self, rows: np.ndarray, preload: Sequence[str], *, threads: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="raygen-latency-")
        folder = Path(self._folder.name)
        np.save(folder / "rows.npy", np.ascontiguousarray(rows[:_ROWS]), allow_pickle=False)
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, str(threads))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "raygen.execute.latency", str(folder / "rows.npy"), *preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment | {"CUDA_VISIBLE_DEVICES": ""},
        )

    def measure(self, source: Source) -> float:
        """Milliseconds for one row on one of this machine's CPUs: the median of 15 predictions.

        Raises:
            TrialError: The program's network cannot predict.
        """
        path = Path(self._folder.name) / f"{source.sha[:16]}.py"
        path.write_text(source.text, encoding="utf-8")
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        try:
            self._process.stdin.write(f"{path}\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline() or "{}")
        except OSError:
            answer = {}
        path.unlink()
        if "ms" not in answer:
            told = answer.get("error", "the process that measures it has died")
            raise TrialError("its latency could not be measured", must=told)
        return float(answer["ms"])

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


def serve(rows: Path, modules: Sequence[str]) -> None:
    """Answer with one line of JSON for each path that is read."""
    for module in modules:
        with suppress(ImportError):  # whoever needs it will say so
            importlib.import_module(module)
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()  # nothing of one program is left for the next
        if not child:
            os.write(writing, json.dumps(_answer(Path(line.strip()), rows)).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read().decode() or json.dumps({"error": "its process has died"})
        os.waitpid(child, 0)
        print(answer, flush=True)


def _answer(program: Path, rows: Path) -> dict[str, object]:
    try:
        return {"ms": _milliseconds(program, np.load(rows, allow_pickle=False))}
    except Exception as error:  # whatever a program raises is an answer
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}


def _milliseconds(program: Path, rows: np.ndarray) -> float:
    sys.path.insert(0, str(program.parent))
    model = importlib.import_module(program.stem)
    fitted = model.fit_preprocessing(rows)
    network, inputs = model.build_model(), model.to_inputs(model.preprocess(rows[:1], fitted))
    times = []
    for _ in range(_WARM_UP + _TIMES):
        began = time.perf_counter()
        model.predict(network, inputs, fitted)
        times.append(time.perf_counter() - began)
    return statistics.median(times[_WARM_UP:]) * 1e3


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
