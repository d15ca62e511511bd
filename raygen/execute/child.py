"""Trains one model.py inside a fresh process and tells the worker how it goes."""

from __future__ import annotations

import ctypes
import gc
import importlib
import math
import os
import resource
import shutil
import signal
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from raygen.execute.arrays import map_arrays
from raygen.execute.disk import is_full
from raygen.execute.gpu_memory import await_memory, limit_memory
from raygen.execute.held_out import HeldOut
from raygen.execute.job import Job, Message
from raygen.execute.pins import keep, pin, read_messages, write_messages
from raygen.execute.turn import Turn
from raygen.runs.paths import TrialPaths
from raygen.runs.records import State

GOING = "going"
"""What a job hears whose node is about to be taken away."""
_SHARE_FOR_CHECKPOINTS = 0.05
_PR_SET_PDEATHSIG = 1
_OUT_OF_MEMORY = ("outofmemory", "out of memory", "can't allocate memory", "resourceexhausted")


def train_job(job: Job, connection: Connection) -> None:
    """Run a job to its end and send a Message for each epoch; the process ends with it."""
    os.setsid()  # so that whatever the program starts ends with it
    _die_with_parent()
    reporter = Reporter(job, connection)
    try:
        reporter.hear()
    except (EOFError, OSError):  # its worker is gone
        return
    train_and_tell(reporter)


def train_and_tell(reporter: Reporter) -> None:
    """Run a reporter's job in this process; whatever it comes to is sent as a message."""
    job, connection = reporter.job, reporter.connection
    _send_output_to(job.log)
    if job.memory_gb is not None:
        limit = int(job.memory_gb * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        _train(job, reporter)
    except MemoryError as error:
        connection.send(Message(state=State.OUT_OF_MEMORY, error=_told(error, job)))
    except Exception as error:  # whatever the user's program raises is a record, not a crash
        with suppress(OSError):  # the disk may be full
            traceback.print_exc()
        connection.send(Message(state=_state_after(error, job), error=_told(error, job)))
    except SystemExit as error:  # with a text, it is what the program has to say for itself
        if not isinstance(error.code, str):
            raise
        print(error.code, file=sys.stderr)
        connection.send(Message(state=State.ERROR, error=error.code.splitlines()[0][:500]))
    except NotFiniteError as error:
        connection.send(error.message)


class NotFiniteError(BaseException):
    """Ends the training of a program that reported NaN; no program can catch it by accident."""

    def __init__(self, message: Message) -> None:
        super().__init__("not finite")
        self.message = message


def _train(job: Job, reporter: Reporter) -> None:
    earlier = reporter.earlier()
    for message in earlier:  # its last ones may have been lost with the worker
        reporter.send(message)
        if message.state.is_over():
            return
    await_memory()
    model = _import_program(Path(job.model))
    limit_memory()
    if job.halvings:
        model.MICRO_BATCH >>= job.halvings
        print(f"out of memory: micro-batches of {model.MICRO_BATCH} from now on", flush=True)
    arrays = map_arrays(Path(job.data))
    if job.seed:
        dealt = model.split(arrays["y"], job.fold)
        model.split = lambda y, fold: dealt  # by the seed that all candidates share
        model.SEED += job.seed
    if job.out_of_fold and hasattr(model, "predict"):
        rows = partial(model.split, arrays["y"], job.fold)
        model.predict = reporter.held_out = HeldOut(model.predict, lambda: rows()[1])
    gc.freeze()  # what the fork shares with its parent stays shared
    if earlier:
        reporter.seconds_before = earlier[-1].seconds
    resume = job.checkpoint if earlier else None
    network, statistics, metrics = model.train(
        arrays["x"], arrays["y"], job.fold, report=reporter, resume=resume
    )
    if not job.tests:
        reporter.finish()
        return
    if job.tested:
        model.predict = tested = HeldOut(model.predict, lambda: np.arange(len(arrays["y_test"])))
    inputs = arrays["x_test"]
    if hasattr(model, "preprocess"):  # what a fine-tuning reads are token numbers already
        inputs = model.to_inputs(model.preprocess(inputs, statistics))
    scores = model.evaluate(network, inputs, arrays["y_test"], statistics)
    reporter.turn.keep()
    model.save(network, model.build_optimizer(network), model.EPOCHS, statistics, job.weights)
    if job.tested:
        tested.save(Path(job.tested))
    reporter.send(
        Message(
            state=State.FINISHED,
            epoch=job.epochs,
            metrics={**metrics, "test": scores},
            seconds=reporter.seconds,
        )
    )


class Reporter:
    """The ``report`` that RayGen passes to a program's ``train``."""

    def __init__(self, job: Job, connection: Connection) -> None:
        self.job, self.connection = job, connection
        self.turn = Turn(job)
        self.started, self.seconds_before = time.monotonic(), 0.0
        self.saved_at, self.save_seconds = self.started, 0.0
        self.held_out: HeldOut | None = None
        self.sent: list[Message] = []
        self.unanswered = 0
        self.is_going = False
        """Whether its node is about to be taken away."""

    def earlier(self) -> list[Message]:
        """What was told up to the checkpoint, which is put in order first."""
        self.turn.take()
        return read_messages(_mended(Path(self.job.checkpoint)))

    @property
    def seconds(self) -> float:
        """Training time of this and of the earlier attempts."""
        return time.monotonic() - self.started + self.seconds_before

    def __call__(self, metrics: dict[str, Any], save: Callable[[str], None] | None) -> None:
        """Pass an epoch's metrics on, and save a checkpoint when one is due.

        Raises:
            NotFiniteError: The metrics hold a number that is not finite.
            ValueError: A checkpoint must be saved, and the program has none.
        """
        self.turn.keep()
        self.hear()
        epoch = int(metrics["epoch"])
        if not all(math.isfinite(v) for v in metrics.values() if isinstance(v, (int, float))):
            broken = [
                k for k, v in metrics.items() if isinstance(v, float) and not math.isfinite(v)
            ]
            told = f"{' and '.join(broken)} not finite in epoch {epoch}"
            raise NotFiniteError(self._message(State.NAN, metrics, told))
        last = epoch >= self.job.epochs
        over = last and not self.job.tests  # else the test rows are still to be scored
        message = self._message(State.FINISHED if over else State.RUNNING, metrics, "")
        if over and self.held_out is not None:  # before it is told, which ends this process
            self.held_out.save(Path(self.job.out_of_fold))
        if save is None:
            if epoch in self.job.milestones:
                raise ValueError("the scheduler needs checkpoints: report(metrics, save) must save")
        elif last or epoch in self.job.milestones or self._checkpoint_is_due():
            self._save(save, message)
            if most := self.job.keep_checkpoints:
                keep(Path(self.job.checkpoint), epoch, most)
        if self.job.kept and epoch in self.job.milestones:
            pin(TrialPaths(Path(self.job.checkpoint).parent), epoch)
        self.send(message)

    def finish(self) -> None:
        """Tell that a program has ended before its last epoch, content with what it has told."""
        if self.sent and not self.sent[-1].state.is_over():
            self.send(replace(self.sent[-1], state=State.FINISHED, seconds=self.seconds))

    def send(self, message: Message) -> None:
        """Send, being at most one message ahead of the worker's consent to go on.

        After a milestone nothing is done ahead: its checkpoint is to stay what it is.
        """
        if not message.state.is_over():
            self._wait_for_consent()
        self.connection.send(message)
        self.sent.append(message)
        self.unanswered += 1
        if message.epoch in self.job.milestones and not message.state.is_over():
            self._wait_for_consent()

    def hear(self) -> None:
        """Take in what was said meanwhile.

        Raises:
            EOFError, OSError: Nobody is left who would say something.
        """
        while self.connection.poll():
            self._take(self.connection.recv())

    def _wait_for_consent(self) -> None:
        while self.unanswered:
            self._take(self.connection.recv())

    def _take(self, word: str | None) -> None:
        if word == GOING:
            self.is_going = True
        else:
            self.unanswered -= 1

    def _message(self, state: State, metrics: dict[str, Any], error: str) -> Message:
        return Message(
            state=state,
            epoch=int(metrics["epoch"]),
            metrics=metrics,
            seconds=self.seconds,
            error=error,
        )

    def _checkpoint_is_due(self) -> bool:
        """Whether each is kept, or one as long as the last took is a small part of the training."""
        if self.job.keep_checkpoints or self.is_going:
            return True
        since = time.monotonic() - self.saved_at
        return self.save_seconds <= since * _SHARE_FOR_CHECKPOINTS

    def _save(self, save: Callable[[str], None], message: Message) -> None:
        """Replace the checkpoint as a whole, so that a kill leaves the old or the new one."""
        started = time.monotonic()
        folder = Path(self.job.checkpoint)
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        draft.mkdir()
        save(str(draft))
        write_messages(draft, [*self.sent, message])
        self.turn.keep()  # saving may have taken long
        old = folder.with_name(f"{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
        self.saved_at = time.monotonic()
        self.save_seconds = self.saved_at - started


def _mended(checkpoint: Path) -> Path:
    """A checkpoint, after what a kill in the middle of a save has left is put in order."""
    old = checkpoint.with_name(f"{checkpoint.name}.old")
    if old.exists() and not checkpoint.exists():  # killed between the two renames
        old.rename(checkpoint)
    for draft in checkpoint.parent.glob(f"{checkpoint.name}.*"):  # killed while it saved
        shutil.rmtree(draft, ignore_errors=True)
    return checkpoint


def _import_program(path: Path) -> Any:
    """Import a model.py under the name that processes it may spawn will look for."""
    sys.path.insert(0, str(path.parent))
    return importlib.import_module(path.stem)


def _die_with_parent() -> None:
    """Leave no orphan: a killed worker takes its forkserver along, and that takes this process."""
    alive = forkserver._forkserver._forkserver_alive_fd  # type: ignore[attr-defined]  # private
    if alive is not None:  # a forkserver lives until the last process closes this
        os.close(alive)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's business


def _send_output_to(path: str) -> None:
    """Let the program print into a file of its own."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115  # a descriptor
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115  # a descriptor


def _state_after(error: Exception, job: Job) -> State:
    """What an exception says of its job."""
    if _is_out_of_memory(error):
        return State.OUT_OF_MEMORY
    return State.DISK_FULL if is_full(error, Path(job.checkpoint).parent) else State.ERROR


def _is_out_of_memory(error: Exception) -> bool:
    told = f"{type(error).__name__} {error}".lower()
    return any(words in told for words in _OUT_OF_MEMORY)


def _told(error: BaseException, job: Job) -> str:
    """The place in the user's program and the exception, in one line.

    A program may call files of the user's; the innermost of these is then the place.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == job.model]
    others = [frame for frame in frames[frames.index(own[0]) :] if _is_own(frame)] if own else []
    place = ([f for f in others if f.filename != job.model] or own or list(frames))[-1:]
    told = "".join(f"{Path(f.filename).name}:{f.lineno} `{f.line}`: " for f in place)
    first_line = (str(error).splitlines() or [""])[0]
    return f"{told}{type(error).__name__}: {first_line}"[:500]


def _is_own(frame: traceback.FrameSummary) -> bool:
    """Whether a line is of the user's, and not of an installed package or of Python itself."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.add(str(Path(__file__).parents[1]))
    return not any(frame.filename.startswith((f"{each}/", "<")) for each in folders)
