"""Do several processes train a job as one would, and survive what may happen to one of them?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raygen.config.space import Space
from raygen.data.loaders import load_arrays
from raygen.execute.group import GroupRunner
from raygen.execute.job import Job, Message
from raygen.execute.run import Group, Worker
from raygen.execute.runner import Runner
from raygen.plan import plan_run
from raygen.runs.journal import read_events
from raygen.runs.links import link_folder
from raygen.runs.records import State
from raygen.source.candidate import Candidate
from raygen.source.render import render

pytestmark = pytest.mark.ray

SMALL = Space(
    "small",
    ({"conv": 4}, "activation", "global_pool", {"dense": 16}, "activation"),
    {"batch_size": 99, "learning_rate": 0.03},
)
"""The 1,149 rows outside a fold make batches of 95 and 96 rows, which two cannot share evenly."""
EPOCHS = 4


@pytest.fixture(scope="module")
def ray_of_four() -> Iterator[Any]:
    """Ray with room for four processes, started once for all tests of this file."""
    pytest.importorskip("torch")
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def new_digits(tmp_path: Path) -> Callable[..., Job]:
    """Jobs of a small network that learns digits: ``new_digits("name", before_report="...")``."""
    config = tmp_path / "config.yaml"
    config.write_text("task: {name: ImageClassification, dataset: {name: digits}}\n")
    plan = plan_run(config, [f"search.max_epochs={EPOCHS}"], emits=False).blueprint
    data = tmp_path / "data"
    data.mkdir()
    for name, array in load_arrays(plan.spec).items():
        np.save(data / f"{name}.npy", array)

    def make(
        name: str, before_report: str = "pass", framework: str = "torch", **changes: Any
    ) -> Job:
        folder = tmp_path / name
        folder.mkdir()
        source = render(replace(plan, space=SMALL, framework=framework), Candidate({})).text
        assert source.count("        report(metrics, ") == 1
        source = source.replace(
            "        report(metrics, ", f"        {before_report}\n        report(metrics, "
        )
        (folder / "model.py").write_text(source, encoding="utf-8")
        fields = {
            "model": str(folder / "model.py"),
            "data": str(data),
            "fold": 0,
            "epochs": EPOCHS,
            "metric": "accuracy",
            "checkpoint": str(folder / "checkpoint-0"),
            "log": str(folder / "log.txt"),
            "hang_timeout_s": 600.0,
        }
        return Job(**fields | changes)

    return make


@pytest.fixture
def new_group(ray_of_four: Any) -> Iterator[Callable[..., GroupRunner]]:
    """Runners of groups, stopped in the end: ``new_group(2)``."""
    made: list[GroupRunner] = []

    def make(*workers: int, framework: str = "torch", retries: int = 1) -> GroupRunner:
        group = Group(
            workers=(workers[0], workers[-1]),
            cpus=1,
            gpus=0.0,
            framework=framework,
            retries=retries,
            arrays=None,  # there is but one node, which has them
        )
        made.append(GroupRunner(Worker("none", (framework,), 1, 0.0, group)))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """What runs a job in one process."""
    main = sys.modules["__main__"]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(main, "__file__", getattr(main, "__file__", None))
    monkeypatch.setattr(main, "__spec__", main.__spec__)
    made = Runner(["torch"], threads=1)
    yield made
    made.stop()


def test_two_processes_train_as_one_does(
    new_digits: Callable[..., Job],
    new_group: Callable[..., GroupRunner],
    alone: Runner,
    ray_of_four: Any,
    tmp_path: Path,
) -> None:
    """The same losses and scores with shared batches; what it saved at a milestone goes on alone.

    A group that waits at a milestone saves nothing more, and nothing of it is left in the end.
    """
    expected = list(alone.messages(new_digits("alone")))
    group, job = new_group(2), new_digits("two", milestones=(2,))

    group.start(job)
    found = [group.next(), group.next()]
    resumed = new_digits("resumed")
    link_folder(Path(job.checkpoint), Path(resumed.checkpoint))
    found += [group.next(), group.next()]
    gone_on = list(alone.messages(resumed))

    assert [each.epoch for each in found] == [1, 2, 3, 4]
    assert found[-1].state is State.FINISHED
    check_equal(found, expected)
    assert gone_on[:2] == found[:2], "told again from the checkpoint, not trained again"
    check_equal(gone_on, expected)
    left = {each.name for each in (tmp_path / "two").iterdir() if each.name != "__pycache__"}
    assert left == {"model.py", "log.txt", "checkpoint-0", "turn-0"}
    wait_until(lambda: ray_of_four.available_resources().get("CPU") == 4)


def test_a_group_goes_on_without_a_process_that_was_killed(
    new_digits: Callable[..., Job], new_group: Callable[..., GroupRunner], alone: Runner
) -> None:
    """It is started again from the last checkpoint, says no epoch twice, and loses nothing."""
    expected = list(alone.messages(new_digits("alone")))
    write = "Path(__file__).with_name(f'{RANK}.txt').open('a').write(f'{epoch} ')"
    third = "RANK and Path(__file__).with_name('1.txt').read_text() == '0 1 2 '"
    kill = f"{write}; {third} and os.kill(os.getpid(), 9)"
    job = new_digits("killed", before_report=kill, milestones=(1, 2, 3))

    found = list(new_group(2).messages(job))

    assert Path(job.model).with_name("0.txt").read_text() == "0 1 2 2 3 "
    assert [each.epoch for each in found] == [1, 2, 3, 4]
    check_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [3, (1, 8)])
def test_a_checkpoint_of_two_goes_on_with_any_number(
    new_digits: Callable[..., Job],
    new_group: Callable[..., GroupRunner],
    alone: Runner,
    workers: int | tuple[int, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Three processes, or as many as there is room for, go on from what two have saved.

    That the two were ended is no news for the screen.
    """
    expected = list(alone.messages(new_digits("alone")))
    two, other = new_digits("two", milestones=(2,)), new_digits("other")
    pair = new_group(2)
    pair.start(two)
    assert [pair.next().epoch, pair.next().epoch] == [1, 2]
    pair.stop()
    link_folder(Path(two.checkpoint), Path(other.checkpoint))

    group = new_group(*(workers if isinstance(workers, tuple) else (workers,)))
    found = list(group.messages(other))

    assert [each.epoch for each in found] == [1, 2, 3, 4]
    check_equal(found, expected)
    assert "died" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_group_out_of_memory_begins_again_with_smaller_micro_batches(
    new_digits: Callable[..., Job], new_group: Callable[..., GroupRunner]
) -> None:
    """They are halved until they fit, and no further than to one row, which is told as it is."""
    fails = "(_ for _ in ()).throw(torch.OutOfMemoryError('CUDA out of memory'))"
    fits = new_digits("fits", before_report=f"MICRO_BATCH > 2 and RANK and {fails}")
    never = new_digits("never", before_report=f"RANK and {fails}")
    for job, size in ((fits, 8), (never, 2)):
        path = Path(job.model)
        text = path.read_text().replace("\nSEED = 0\n", f"\nSEED = 0\nMICRO_BATCH = {size}\n")
        path.write_text(text)
    group = new_group(2, retries=0)

    fitted, failed = group.run(fits), group.run(never)

    assert fitted.state is State.FINISHED, fitted
    assert "out of memory: micro-batches of 2 from now on" in Path(fits.log).read_text()
    assert failed.state is State.OUT_OF_MEMORY, failed
    assert "micro-batches of 1 from now on" in Path(never.log).read_text()


@pytest.mark.slow
def test_a_group_on_a_node_that_must_go_begins_anew(
    new_digits: Callable[..., Job], new_group: Callable[..., GroupRunner]
) -> None:
    """When it has saved; nothing is told twice, and it is no failure, retries or not."""
    job = new_digits("moves", before_report="__import__('time').sleep(1.0)")
    group, leaving = new_group(2, retries=0), frozenset[str]()
    group._leaving.nodes = lambda: leaving  # type: ignore[method-assign]
    group._leaving.here = lambda: False  # type: ignore[method-assign]  # as if they were elsewhere
    group.start(job)
    heard = [group.next()]
    launch = group._launch
    assert launch is not None

    leaving, moved = frozenset(launch.nodes), False
    while not heard[-1].state.is_over():
        heard.append(group.next())
        if group._launch not in (launch, None):
            leaving, moved = frozenset(), True

    assert [message.epoch for message in heard] == list(range(1, EPOCHS + 1))
    assert heard[-1].state is State.FINISHED
    assert moved


@pytest.mark.slow
def test_whatever_a_process_comes_to_is_told_as_of_one(
    new_digits: Callable[..., Job], new_group: Callable[..., GroupRunner]
) -> None:
    """An exception in any of them, NaN, silence and death end the job with its state and a line."""
    cases = {
        "raised": ("1 / (epoch - 1 or 1 - RANK)", State.ERROR, "ZeroDivisionError", {}),
        "nan": ("metrics['accuracy'] = float('nan')", State.NAN, "accuracy not finite", {}),
        "hung": (
            "epoch and __import__('time').sleep(600)",
            State.HUNG,
            "no epoch ended within 5 s",
            {"hang_timeout_s": 5.0},
        ),
        "dead": ("RANK and os.kill(os.getpid(), 9)", State.LOST, "died 1 times", {}),
    }
    group = new_group(2, retries=0)

    for name, (line, state, told, changes) in cases.items():
        last = group.run(new_digits(name, before_report=line, **changes))

        assert last.state is state, (name, last)
        assert told in last.error, (name, last)


@pytest.mark.slow
def test_the_emitted_file_does_the_same_under_torchrun(
    new_digits: Callable[..., Job], new_group: Callable[..., GroupRunner], tmp_path: Path
) -> None:
    """``torchrun --nproc_per_node=2 model.py`` has the losses and the scores of the group.

    A training on all rows ends with the scores of the test rows, and with the weights.
    """
    fold, whole = new_digits("fold"), new_digits("whole", fold=None, weights=f"{tmp_path}/weights")
    group = new_group(2)
    of_fold, of_all = list(group.messages(fold)), list(group.messages(whole))

    lines = [torchrun(fold.model, "--fold", "0"), torchrun(whole.model)]

    assert lines[0][:-1] == [dict(each.metrics) for each in of_fold]
    assert lines[1][-1]["test"] == of_all[-1].metrics["test"]
    assert of_all[-1].state is State.FINISHED
    assert (tmp_path / "weights" / "checkpoint.pt").is_file()


@pytest.mark.slow
def test_two_keras_processes_train_as_one_does(
    new_digits: Callable[..., Job], new_group: Callable[..., GroupRunner], alone: Runner
) -> None:
    """MultiWorkerMirroredStrategy gives the same losses, ended half way or not.

    What it has saved by then two processes can go on from, and so can one.
    """
    pytest.importorskip("tensorflow")
    expected = list(alone.messages(new_digits("alone", framework="tensorflow")))
    group, job = new_group(2, framework="tensorflow"), new_digits("two", "pass", "tensorflow")
    job = replace(job, milestones=(2,))

    group.start(job)
    assert [group.next().epoch, group.next().epoch] == [1, 2]
    group.stop()
    resumed = new_digits("resumed", framework="tensorflow")
    link_folder(Path(job.checkpoint), Path(resumed.checkpoint))
    found = list(group.messages(job))
    gone_on = list(alone.messages(resumed))

    check_equal(found, expected, within=1e-4)
    check_equal(gone_on, expected, within=1e-4)


POPULATION = """
task:
  name: ImageClassification
  dataset: {name: digits}
model:
  layers: [{conv: 4}, activation, global_pool, {dense: {units: $width}}, activation]
  parameters:
    width: {choice: [16]}
    learning_rate: {float: [1.0e-5, 0.05], log: true}
search:
  algorithm: random
  scheduler: pbt
  trials: 2
  max_epochs: 3
  start_from: [{learning_rate: 0.03}, {learning_rate: 1.0e-5}]
resources: {workers_per_trial: 2}
"""


@pytest.mark.slow
def test_a_population_of_groups_learns_from_its_best(tmp_path: Path) -> None:
    """An exploited trial goes on at the donor's epoch, from the donor's weights.

    Its file, which repeats all of that from the first epoch, comes to the same. The groups that
    are ended on the way leave nothing on the screen.
    """
    (tmp_path / "config.yaml").write_text(POPULATION, encoding="utf-8")
    command = [sys.executable, "-m", "raygen", "search", "--config", "config.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=3000)

    assert done.returncode == 0, done.stderr
    assert "died" not in done.stdout + done.stderr
    events = read_events(tmp_path / "runs" / "digits" / "journal.jsonl")
    moves = [each for each in events if each["event"] == "exploit"]
    assert moves
    told = [each for each in events if each["event"] in ("report", "end") and "metrics" in each]
    by_epoch = {(each["trial_id"], each["metrics"]["epoch"]): each["metrics"] for each in told}
    for move in moves:
        assert move["metrics"] == by_epoch[move["parent"], move["epoch"]]
    moved, epoch = moves[-1]["trial_id"], moves[-1]["epoch"]
    program = tmp_path / "runs" / "digits" / "trials" / moved / "model.py"
    alone = run([sys.executable, str(program), "--fold", "0"])[epoch:-1]
    assert [each["epoch"] for each in alone] == list(range(epoch + 1, 4))
    for each in alone:
        assert by_epoch[moved, each["epoch"]] == pytest.approx(each, abs=1e-5)


def check_equal(found: list[Message], expected: list[Message], *, within: float = 1e-5) -> None:
    """Fail unless all numbers of all epochs are the same but for rounding."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert dict(one.metrics) == pytest.approx(dict(other.metrics), abs=within)


def torchrun(model: str, *arguments: str) -> list[dict[str, Any]]:
    """What two processes of a file print."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    return run([sys.executable, *launcher, model, *arguments])


def run(command: list[str]) -> list[dict[str, Any]]:
    """The lines of JSON that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=500)
    return [json.loads(line) for line in done.stdout.splitlines()]


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Fail if something does not come to hold."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.2)
