from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

import pytest

from raygen.execute.child import train_job
from raygen.execute.job import Job
from raygen.execute.leaving import NodeLeavingError
from raygen.execute.pins import read_messages
from raygen.execute.runner import ENVIRONMENT, Runner
from raygen.execute.turn import TurnTakenError
from raygen.runs.records import State

NewJob = Callable[..., Job]


def log(job: Job) -> str:
    """What a job's program has printed."""
    return Path(job.log).read_text(encoding="utf-8")


def wait_for(fact: Callable[[], object]) -> None:
    """Wait until something holds; fail when it never does."""
    for _ in range(600):
        if fact():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to hold")


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_job_tells_each_epoch_and_ends(runner: Runner, new_job: NewJob) -> None:
    """One message for each epoch, the last of which is over."""
    job = new_job("print('hello')")

    messages = list(runner.messages(job))

    assert [m.epoch for m in messages] == [1, 2, 3]
    assert [m.state for m in messages] == [State.RUNNING, State.RUNNING, State.FINISHED]
    assert messages[-1].metrics == {"epoch": 3, "accuracy": 0.3}
    assert messages[-1].seconds > 0
    assert log(job).count("hello") == 3


def test_the_fit_on_all_rows_scores_the_test_rows(
    runner: Runner, new_job: NewJob, tmp_path: Path
) -> None:
    """Without a fold the job ends with the test score, and the weights are kept."""
    message = runner.run(new_job(fold=None, weights=str(tmp_path / "weights")))

    assert message.state is State.FINISHED
    assert message.metrics["test"] == {"accuracy": 1.0}
    assert (tmp_path / "weights" / "weights.json").read_text() == "3"


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_number_that_is_not_finite_ends_the_job(
    runner: Runner, new_job: NewJob, number: str
) -> None:
    """The state says so, and which number and epoch it was."""
    body = f"if epoch == 2: metrics['train_loss'] = float('{number}')"

    messages = list(runner.messages(new_job(body)))

    assert [m.state for m in messages] == [State.RUNNING, State.NAN]
    assert messages[-1].error == "train_loss not finite in epoch 2"


def test_a_program_cannot_swallow_its_end(runner: Runner, new_job: NewJob) -> None:
    """Not even a program that catches every Exception around its report goes on after a NaN."""
    body = """
        try:
            report(metrics | {"accuracy": float("nan")}, save)
        except Exception:
            pass
    """

    assert runner.run(new_job(body)).state is State.NAN


def test_a_program_that_raises_is_told_by_its_own_line(runner: Runner, new_job: NewJob) -> None:
    """The error names the line of the model.py, though the exception came from a library below."""
    job = new_job("if epoch == 2: json.loads('{')")

    message = runner.run(job)

    assert message.state is State.ERROR
    assert message.error.startswith("model.py:")
    assert "`if epoch == 2: json.loads('{')`: JSONDecodeError: Expecting" in message.error
    assert "\n" not in message.error
    assert "Traceback (most recent call last)" in log(job)


def test_a_program_that_cannot_be_read_is_told(runner: Runner, new_job: NewJob) -> None:
    """A syntax error is an error like others."""
    message = runner.run(new_job("this is no Python"))

    assert message.state is State.ERROR
    assert "SyntaxError" in message.error


@pytest.mark.parametrize(
    ("body", "code"),
    [("raise SystemExit(7)", 7), ("os._exit(8)", 8), ("raise SystemExit(0)", 0), ("return", 1)],
)
def test_a_program_that_ends_itself_is_an_error(
    runner: Runner, new_job: NewJob, body: str, code: int
) -> None:
    """Leaving without a word is not mistaken for having finished."""
    message = runner.run(new_job(f"if epoch == 2: {body}"))

    assert message.state is State.ERROR
    assert message.error == f"the process ended with exit code {code}" or body == "return"


def test_a_program_that_crashes_is_an_error(runner: Runner, new_job: NewJob) -> None:
    """A crash in native code is told by its signal."""
    message = runner.run(new_job("os.kill(os.getpid(), 11)"))

    assert message.state is State.ERROR
    assert "-11" in message.error


def test_a_program_that_hangs_is_ended(runner: Runner, new_job: NewJob) -> None:
    """Silence for longer than the timeout ends the process, even one that ignores SIGTERM."""
    body = """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path(__file__).with_name("pid").write_text(str(os.getpid()))
        time.sleep(600)
    """
    job = new_job(body, hang_timeout_s=1.0)

    message = runner.run(job)

    assert message.state is State.HUNG
    assert message.error == "no epoch ended within 1 s (search.hang_timeout)"
    pid = int(Path(job.model).with_name("pid").read_text())
    wait_for(lambda: not is_running(pid))


def test_a_program_that_asks_for_too_much_memory_is_ended(runner: Runner, new_job: NewJob) -> None:
    """The limit of the config turns greed into a record, with the greedy line."""
    body = "import numpy as np; rows = np.ones(10**9)"

    message = runner.run(new_job(body, memory_gb=2.0))

    assert message.state is State.OUT_OF_MEMORY
    assert body in message.error


@pytest.mark.parametrize(
    "body",
    [
        "raise MemoryError",
        "raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')",
        "raise RuntimeError('DefaultCPUAllocator: can\\'t allocate memory: you tried')",
        "raise type('ResourceExhaustedError', (Exception,), {})('OOM when allocating tensor')",
        "os.kill(os.getpid(), 9)",
    ],
)
def test_every_way_to_run_out_of_memory_is_known(
    runner: Runner, new_job: NewJob, body: str
) -> None:
    """Python, PyTorch, TensorFlow and the kernel each have a word of their own for it."""
    assert runner.run(new_job(body)).state is State.OUT_OF_MEMORY


def test_nothing_leaks_from_one_job_to_the_next(runner: Runner, new_job: NewJob) -> None:
    """Globals, environment, working directory and signal handlers begin afresh with each job."""
    spoil = """
        import numpy, signal, sys
        numpy.spoilt = json.spoilt = True
        os.environ["SPOILT"] = "1"
        os.chdir("/")
        sys.path.insert(0, "/spoilt")
        numpy.random.seed(7)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    """
    look = """
        import numpy, signal, sys
        assert not hasattr(numpy, "spoilt") and not hasattr(json, "spoilt")
        assert "SPOILT" not in os.environ
        assert os.getcwd() != "/"
        assert "/spoilt" not in sys.path
        assert sum(name == "model" for name in sys.modules) == 1
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    """
    assert runner.run(new_job(spoil)).state is State.FINISHED

    message = runner.run(new_job(look))

    assert (message.state, message.error) == (State.FINISHED, "")


def test_each_job_has_a_process_of_its_own(runner: Runner, new_job: NewJob) -> None:
    """The preloaded packages are there; the process is another one, and not ours."""
    body = "import sys; metrics |= {'pid': os.getpid(), 'there': 'numpy' in sys.modules}"

    first, second = runner.run(new_job(body)), runner.run(new_job(body))

    assert len({first.metrics["pid"], second.metrics["pid"], os.getpid()}) == 3
    assert not is_running(first.metrics["pid"])


def test_a_job_runs_one_epoch_ahead_and_no_more(runner: Runner, new_job: NewJob) -> None:
    """While the scheduler thinks, the next epoch is trained; the one after it waits for consent."""
    job = new_job("print(f'began {epoch}')", epochs=9)
    runner.start(job)

    first = runner.next()

    assert first.epoch == 1
    wait_for(lambda: "began 3" in log(job))  # 1 is answered, 2 is told, 3 waits to be told
    time.sleep(0.3)
    assert "began 4" not in log(job)
    assert runner.next().epoch == 2
    wait_for(lambda: "began 4" in log(job))


def test_a_job_waits_at_a_milestone(runner: Runner, new_job: NewJob) -> None:
    """Its checkpoint there is of just that epoch, and nothing is trained until it may go on."""
    job = new_job("print(f'began {epoch}')", epochs=5, milestones=(2, 4))
    runner.start(job)

    assert [runner.next().epoch, runner.next().epoch] == [1, 2]
    time.sleep(0.3)
    assert "began 3" not in log(job)
    assert (Path(job.checkpoint) / "weights.json").read_text() == "2"

    assert runner.next().epoch == 3
    assert [m.epoch for m in (runner.next(), runner.next())] == [4, 5]
    assert not list(Path(job.model).parent.glob("milestone-*")), "nobody asked for them"


def test_a_job_that_was_ended_at_a_milestone_goes_on_after_it(
    runner: Runner, new_job: NewJob
) -> None:
    """That is what a pause is: the process ends, and another one takes up the checkpoint."""
    job = new_job("print(f'began {epoch}')", epochs=4, milestones=(2,))
    runner.start(job)
    assert [runner.next().epoch, runner.next().epoch] == [1, 2]
    runner.stop()

    assert [m.epoch for m in runner.messages(job)] == [1, 2, 3, 4]
    assert [log(job).count(f"began {epoch}") for epoch in (1, 2, 3, 4)] == [1, 1, 1, 1]


def test_the_two_newest_milestones_are_kept(runner: Runner, new_job: NewJob) -> None:
    """They stay as they were while the job goes on; older ones make room."""
    job = new_job(epochs=7, milestones=(2, 4, 6), kept=True)

    runner.run(job)

    folder = Path(job.model).parent
    kept = {path.name: path for path in folder.glob("milestone-*")}
    assert set(kept) == {"milestone-4", "milestone-6"}
    for epoch in (4, 6):
        path = kept[f"milestone-{epoch}"]
        assert (path / "weights.json").read_text() == str(epoch)
        assert [m.epoch for m in read_messages(path)] == list(range(1, epoch + 1))


def test_the_newest_checkpoints_of_a_fit_are_kept(
    runner: Runner, new_job: NewJob, tmp_path: Path
) -> None:
    """As many as were asked for, each as its epoch left it; older ones make room."""
    weights = str(tmp_path / "weights")
    job = new_job(epochs=4, fold=None, weights=weights, keep_checkpoints=2)

    runner.run(job)

    kept = sorted(Path(job.model).parent.glob("kept-*"))
    assert [path.name for path in kept] == ["kept-3", "kept-4"]
    assert [(path / "weights.json").read_text() for path in kept] == ["3", "4"]


def test_a_job_that_has_ended_is_heard_to_the_end(runner: Runner, new_job: NewJob) -> None:
    """A worker that comes late finds the last messages of a process that is gone."""
    job = new_job("Path(__file__).with_name('pid').write_text(str(os.getpid()))", epochs=2)
    pid = Path(job.model).with_name("pid")
    runner.start(job)
    wait_for(lambda: pid.exists() and pid.read_text() and not is_running(int(pid.read_text())))

    messages = [runner.next(), runner.next()]

    assert [m.state for m in messages] == [State.RUNNING, State.FINISHED]


def test_a_job_can_be_stopped_in_mid_epoch(runner: Runner, new_job: NewJob) -> None:
    """When stop() returns, its process is gone; the runner is ready for the next job."""
    body = """
        Path(__file__).with_name("pid").write_text(str(os.getpid()))
        if epoch == 2: time.sleep(600)
    """
    job = new_job(body)
    runner.start(job)
    assert runner.next().epoch == 1

    runner.stop()

    assert not is_running(int(Path(job.model).with_name("pid").read_text()))
    assert runner.run(new_job()).state is State.FINISHED


def test_a_killed_job_goes_on_from_its_checkpoint(runner: Runner, new_job: NewJob) -> None:
    """The second attempt repeats what the first has told, and trains only what it has not saved."""
    body = """
        if epoch == 3 and not Path(__file__).with_name("again").exists():
            Path(__file__).with_name("again").touch()
            os.kill(os.getpid(), 9)
    """
    job = new_job(body, epochs=4)
    first = list(runner.messages(job))
    assert [m.epoch for m in first[:-1]] == [1, 2]

    second = list(runner.messages(job))

    assert [m.epoch for m in second] == [1, 2, 3, 4]
    assert second[1].metrics == first[1].metrics
    assert second[-1].state is State.FINISHED
    assert log(job).count("training from epoch 0") == 1
    assert log(job).count("training from") == 2
    assert second[-1].seconds > second[0].seconds >= first[0].seconds


def test_a_finished_job_that_could_not_tell_is_not_trained_again(
    runner: Runner, new_job: NewJob
) -> None:
    """Its checkpoint holds all that it would have told."""
    job = new_job()
    first = list(runner.messages(job))

    second = list(runner.messages(job))

    assert second == first
    assert log(job).count("training from") == 1


def test_a_finished_fit_is_only_scored_again(
    runner: Runner, new_job: NewJob, tmp_path: Path
) -> None:
    """A fit on all rows whose last message was lost trains no epoch twice."""
    job = new_job("print(f'began {epoch}')", fold=None, weights=str(tmp_path / "weights"))
    first, second = runner.run(job), runner.run(job)

    assert second.metrics["test"] == first.metrics["test"]
    assert log(job).count("began") == 3


def test_a_kill_between_two_renames_loses_nothing(runner: Runner, new_job: NewJob) -> None:
    """The old checkpoint takes the place of the missing one, and half-written ones are removed."""
    job = new_job()
    runner.run(job)
    checkpoint = Path(job.checkpoint)
    checkpoint.rename(checkpoint.with_name("checkpoint-0.old"))
    checkpoint.with_name("checkpoint-0.123").mkdir()

    assert runner.run(job).state is State.FINISHED
    assert log(job).count("training from") == 1
    assert [f.name for f in checkpoint.parent.glob("checkpoint*")] == ["checkpoint-0"]


def test_a_job_waits_for_who_had_it_before(runner: Runner, new_job: NewJob) -> None:
    """A child of a worker that died may still save; the next one begins when it is gone."""
    job = new_job(epochs=1)
    log = Path(job.log)
    log.touch()
    with log.open("r+b") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)  # all of it, and so its own byte too
        runner.start(job)
        time.sleep(1.0)
        assert log.read_text() == ""

    assert runner.next().state is State.FINISHED
    assert "training from epoch 0" in log.read_text()


def test_a_job_whose_turn_was_taken_can_be_run_again(runner: Runner, new_job: NewJob) -> None:
    """It is no failure of its program, and goes on from its checkpoint."""
    body = "if epoch == 2 and once('taken'): Path(__file__).with_name('turn-0').write_text('f')"
    job = new_job(body)

    with pytest.raises(TurnTakenError):
        runner.run(job)

    assert runner.run(job).state is State.FINISHED
    assert log(job).count("training from epoch 0") == 1


def test_a_job_saves_and_ends_when_its_node_must_go(
    runner: Runner, new_job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what it has trained, is not begun anew there, and goes on elsewhere from that."""
    monkeypatch.setattr("raygen.execute.runner.LOOK_S", 0.1)
    going = False
    runner._leaving = lambda: going
    body = """
        time.sleep(0.3)
        def save(folder):  # takes so long that none is due again for six seconds
            time.sleep(0.3)
            Path(folder, "weights.json").write_text(json.dumps(epoch))
    """
    job = new_job(body, epochs=12)
    told, heard = runner.messages(job), []
    heard += [next(told).epoch, next(told).epoch]
    assert read_messages(Path(job.checkpoint))[-1].epoch == 1

    going = True
    with pytest.raises(NodeLeavingError):
        heard.extend(message.epoch for message in told)

    assert 2 < heard[-1] < 8
    assert read_messages(Path(job.checkpoint))[-1].epoch >= heard[-1]
    with pytest.raises(NodeLeavingError):
        runner.start(job)
    going = False
    assert runner.run(job).state is State.FINISHED
    assert log(job).count("training from epoch") == 2
    assert log(job).count("training from epoch 0") == 1


def test_a_job_without_a_worker_takes_no_turn(new_job: NewJob) -> None:
    """Its worker died while it came up; another one has the job by now."""
    job = new_job()
    ours, theirs = multiprocessing.Pipe()
    ours.close()
    child = multiprocessing.get_context("fork").Process(target=train_job, args=(job, theirs))

    child.start()
    child.join()

    assert child.exitcode == 0
    assert not Path(job.log).exists()
    assert not Path(job.checkpoint).with_name("turn-0").exists()


def test_a_checkpoint_is_replaced_as_a_whole(runner: Runner, new_job: NewJob) -> None:
    """A save that fails half-way leaves the old checkpoint, from which the next attempt goes on."""
    body = """
        def save(folder):
            Path(folder, "weights.json").write_text(json.dumps(epoch))
            if epoch == 3 and not Path(__file__).with_name("again").exists():
                Path(__file__).with_name("again").touch()
                os._exit(1)
    """
    job = new_job(body)
    assert runner.run(job).state is State.ERROR
    assert (Path(job.checkpoint) / "weights.json").read_text() in "12"

    assert runner.run(job).state is State.FINISHED
    assert "training from epoch 0" not in log(job).split("\n", 1)[1]


def test_the_arrays_cannot_be_changed(runner: Runner, new_job: NewJob) -> None:
    """A program that writes into the shared data fails alone."""
    message = runner.run(new_job("x[0] = 5"))

    assert message.state is State.ERROR
    assert "read-only" in message.error


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are ended by Linux")
def test_a_killed_worker_leaves_no_orphan(new_job: NewJob, tmp_path: Path) -> None:
    """When the worker is killed in mid-epoch, forkserver and child go with it."""
    body = """
        Path(__file__).with_name("pids").write_text(f"{os.getpid()} {os.getppid()}")
        time.sleep(600)
    """
    job = new_job(body)
    program = f"""
        from raygen.execute.job import Job
        from raygen.execute.runner import ENVIRONMENT, Runner
        if __name__ == "__main__":
            Runner(["numpy"], threads=1).run({job!r})
    """
    (tmp_path / "worker.py").write_text(textwrap.dedent(program), encoding="utf-8")
    worker = subprocess.Popen([sys.executable, str(tmp_path / "worker.py")])
    pids = Path(job.model).with_name("pids")
    wait_for(lambda: pids.exists() and pids.read_text().count(" "))

    worker.send_signal(signal.SIGKILL)
    worker.wait()

    for pid in map(int, pids.read_text().split()):
        wait_for(lambda pid=pid: not is_running(pid))


def test_the_environment_is_there_before_packages_are_loaded(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bars of progress and threads that wait are set up by variables that are read but once."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    seen: dict[str, str] = {}
    monkeypatch.setattr(forkserver, "ensure_running", lambda: seen.update(os.environ))

    Runner(["numpy"], threads=1)

    assert ENVIRONMENT.items() <= seen.items()
