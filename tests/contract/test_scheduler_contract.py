"""What every scheduler must do, shown recorded curves on a virtual clock."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.search.replay import Replayed, replay
from raygen.search.schedulers import SCHEDULERS, SchedulerTerms, milestones

HPO = Path(__file__).parents[2] / ".." / "shared" / "data" / "hpo"
NAMES = list(SCHEDULERS)
EPOCHS = 20
SPACE = Space(
    name="synthetic",
    layers=(),
    parameters=(
        Parameter("width", Int(1, 16), "architecture"),
        Parameter("lr", Float(1e-4, 1e-1, log=True), "training"),
        Parameter("batch", Choice((16, 32, 64, 128)), "training"),
        Parameter("optimizer", Choice(("adam", "sgd")), "training"),
        Parameter(
            "momentum", Float(0.0, 0.9, step=0.1), "training", Condition("optimizer", ("sgd",))
        ),
        Parameter("warmup", Int(0, 9, step=3), "training"),
    ),
)
Curve = Callable[[dict[str, Any]], Sequence[float | None]]


def height(values: dict[str, Any]) -> float:
    """The score that a candidate comes to."""
    return 1 - 0.2 * abs(math.log10(values["lr"]) + 2) - 0.01 * abs(values["width"] - 8)


def clean(values: dict[str, Any]) -> list[float]:
    """Rising curves that never cross."""
    return [height(values) * (1 - math.exp(-(epoch + 2) / 8)) for epoch in range(EPOCHS)]


def noisy(values: dict[str, Any]) -> list[float]:
    """Curves that cross all the time."""
    rng = np.random.default_rng([int(values["lr"] * 1e9), values["width"]])
    return [each + 0.05 * rng.standard_normal() for each in clean(values)]


def broken(values: dict[str, Any]) -> list[float | None]:
    """A third of the candidates fails: at once, in the middle, near the end; some lose a worker."""
    curve: list[float | None] = list(noisy(values))
    kind = int(values["lr"] * 1e9) % 9
    if kind < 3:
        at = (0, EPOCHS // 2, EPOCHS - 1)[kind]
        curve[at] = (math.nan, math.inf, None)[values["width"] % 3]
    return curve


def hopeless(values: dict[str, Any]) -> list[float]:
    """Everybody fails sooner or later."""
    return [*noisy(values)[: values["width"]], math.nan, *[math.nan] * EPOCHS][:EPOCHS]


def equal(values: dict[str, Any]) -> list[float]:
    """Nobody is better than anybody else."""
    return [0.5] * EPOCHS


def run(scheduler: str, curve: Curve, **changes: Any) -> Replayed:
    """A search of random candidates."""
    trials = 30 if scheduler != "pb2" else 12  # its model costs more than all else here
    terms: dict[str, Any] = {"trials": trials, "workers": 4, "seed": 1, "max_epochs": EPOCHS}
    return replay(SPACE, curve, algorithm="random", scheduler=scheduler, **(terms | changes))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each row of the table."""
    return str(request.param)


CURVES = [clean, noisy, broken, hopeless, equal]


@pytest.mark.parametrize("workers", [1, 3, 16])
@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.__name__)
def test_every_trial_that_is_asked_for_ends(name: str, curve: Curve, workers: int) -> None:
    """N asked are N ended, be it by the scheduler, a failure or the last epoch; nobody sleeps on.

    No trial trains an epoch twice or more epochs than there are, and no more run than workers.
    """
    done = run(name, curve, workers=workers, trials=20)

    assert [trial.number for trial in done.trials] == list(range(20))
    assert all(trial.curve or trial.state == "lost" for trial in done.trials)
    assert all(trial.epoch <= EPOCHS for trial in done.trials)
    assert all(math.isfinite(trial.ended_s) for trial in done.trials)
    told = [(trial, epoch) for _, trial, epoch, _ in done.epochs]
    assert len(told) == len(set(told))
    assert done.busy_s <= done.seconds * workers + 1e-6


@pytest.mark.parametrize("max_epochs", [1, 2, 3, 4, 10])
def test_any_number_of_epochs_will_do(name: str, max_epochs: int) -> None:
    """With few epochs there may be nothing to decide, but every trial ends."""
    done = run(name, lambda values: clean(values)[:max_epochs], max_epochs=max_epochs, trials=12)

    assert len(done.trials) == 12
    assert any(trial.state == "finished" for trial in done.trials)


def test_what_failed_is_never_gone_on_with(name: str) -> None:
    """A number that is not finite is the last one of its trial, and is nobody's best."""
    done = run(name, broken)

    failed = [trial for trial in done.trials if trial.state == "nan"]
    assert failed
    assert all(not math.isfinite(trial.curve[-1]) for trial in failed)
    assert all(math.isfinite(score) for trial in done.trials for score in trial.curve[:-1])


def test_the_best_candidate_survives(name: str) -> None:
    """On curves that never cross, the best is trained to its end; and so it is the best."""
    done = run(name, clean)

    best = max(done.trials, key=lambda trial: height(trial.values))
    # who comes first in a Hyperband bracket of few has nobody to lose against
    assert best.state == "finished"
    assert best.epoch == EPOCHS


def test_a_score_that_is_minimised_is_read_the_other_way_round(name: str) -> None:
    """The same curves upside down, with the mode ``min``, are decided on in the same way."""
    up = run(name, noisy)
    down = run(name, lambda values: [-each for each in noisy(values)], mode="min")

    assert [len(trial.curve) for trial in up.trials] == [len(t.curve) for t in down.trials]
    assert [trial.state for trial in up.trials] == [trial.state for trial in down.trials]


@pytest.mark.parametrize("other", sorted(set(NAMES) - {"fifo", "pbt", "pb2"}))
def test_epochs_are_saved(other: str) -> None:
    """Whoever ends trials early trains far fewer epochs than fifo."""
    assert len(run(other, noisy, trials=60).epochs) < 0.75 * len(
        run("fifo", noisy, trials=60).epochs
    )


def test_the_same_seed_gives_the_same_search(name: str) -> None:
    """Schedulers draw from nothing but their seed."""
    assert run(name, noisy) == run(name, noisy)


def test_a_budget_in_epochs_is_kept(name: str) -> None:
    """Not one epoch more than given is trained; whoever is cut off is stopped."""
    done = run(name, noisy, trials=None if not SCHEDULERS[name].mutates else 20, total_epochs=150)

    assert len(done.epochs) == 150
    assert {trial.state for trial in done.trials} <= {"finished", "stopped"}


def test_trials_rest_at_milestones_only(name: str) -> None:
    """Between the moments at which a checkpoint is held a trial trains without a break."""
    held = milestones(name, SchedulerTerms(space=SPACE, max_epochs=EPOCHS))
    times: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for time_s, trial, epoch, _ in run(name, noisy, workers=3).epochs:
        times[trial].append((time_s, epoch))

    breaks = {
        before
        for told in times.values()
        for (first_s, before), (second_s, after) in pairwise(told)
        if second_s - first_s > 1 + 1e-9 or after != before + 1
    }
    assert breaks <= set(held)
    assert list(held) == sorted(set(held))
    assert all(0 < each < EPOCHS for each in held)


@pytest.mark.parametrize("other", ["asha", "asha-promote", "resources"])
@pytest.mark.parametrize("workers", [1, 8])
def test_nobody_is_ended_by_a_weaker_trial(other: str, workers: int) -> None:
    """Whoever ends at a rung leaves a better one there: one that came before, or was promoted."""
    done = run(other, noisy, workers=workers, trials=60)

    at_rung: dict[int, list[float]] = defaultdict(list)
    for _, trial, epoch, score in done.epochs:
        record = done.trials[trial]
        if record.epoch == epoch and record.state == "stopped":
            peers = (
                at_rung[epoch]
                if other != "asha-promote"
                else [each.curve[epoch - 1] for each in done.trials if each.epoch > epoch]
            )
            assert max(peers, default=-math.inf) > score
        at_rung[epoch].append(score)


@pytest.mark.parametrize("other", ["pbt", "pb2"])
def test_a_population_learns_from_its_best(other: str) -> None:
    """Weak trials move to strictly better ones; architecture stays the donor's; values stay valid.

    The step counter of the recipient never goes back.
    """
    done = run(other, noisy, trials=12)

    assert done.moves
    scores = {(trial, epoch): score for _, trial, epoch, score in done.epochs}
    now = {trial.number: (0, trial.values) for trial in done.trials}
    schedules = {trial.number: list(trial.schedule[1:]) for trial in done.trials}
    for recipient, donor, epoch in done.moves:
        at, values = schedules[recipient].pop(0)
        assert at == epoch >= now[recipient][0]
        assert values["width"] == now[donor][1]["width"]
        assert values["optimizer"] == now[donor][1]["optimizer"]
        SPACE.validate(values)
        assert all(type(each) in (int, float, str) for each in values.values())
        assert (donor, epoch) in scores or epoch <= now[donor][0]
        now[recipient] = (epoch, values)


@pytest.mark.parametrize("other", ["pbt", "pb2"])
def test_a_population_gets_better_than_its_members(other: str) -> None:
    """With a state that is handed on, the best of a population beats the best without moves."""

    def step(values: dict[str, Any], epoch: int, state: Any) -> tuple[float, float]:
        best_lr = -1.5 - 2 * epoch / EPOCHS  # a schedule is better than any constant
        gain = max(0.0, 1 - abs(math.log10(values["lr"]) - best_lr))
        return (state or 0.0) + gain, (state or 0.0) + gain

    terms: dict[str, Any] = {"algorithm": "random", "max_epochs": EPOCHS, "trials": 16}
    alone = replay(SPACE, step=step, scheduler="fifo", workers=16, **terms)
    together = replay(SPACE, step=step, scheduler=other, workers=16, **terms)

    assert together.best_over_epochs()[-1] > 1.1 * alone.best_over_epochs()[-1]


@pytest.mark.parametrize("several", [each for each, row in SCHEDULERS.items() if row.objectives])
def test_several_objectives_are_weighed_against_each_other(several: str) -> None:
    """The whole front of 60 candidates goes on: cheap ones, good ones, and those between."""

    def curve(values: dict[str, Any]) -> list[tuple[float, float]]:
        return [(score, float(values["width"])) for score in clean({**values, "lr": 1e-2})]

    done = run(several, curve, mode=("max", "min"), trials=60, workers=2)  # type: ignore[arg-type]

    finished = [trial for trial in done.trials if trial.state == "finished"]
    assert len(done.trials) == 60
    assert {trial.state for trial in done.trials} <= {"finished", "stopped"}
    widths = [trial.values["width"] for trial in finished]
    assert min(widths) <= 2
    assert 7 in widths or 8 in widths
    if several != "fifo":
        dominated = [trial for trial in done.trials if trial.values["width"] >= 14]
        assert sum(trial.state == "stopped" for trial in dominated) >= 0.7 * len(dominated)


@pytest.mark.parametrize("task", ["lcbench", "taskset"])
def test_recorded_curves_lose_little(name: str, task: str) -> None:
    """On real curves the best candidate is missed by little: half of what candidates differ by."""
    space, curve, mode, epochs = recorded(task)
    trials = 40 if name != "pb2" else 16
    terms: dict[str, Any] = {"max_epochs": epochs, "trials": trials, "workers": 4, "mode": mode}
    found, best = [], []
    for seed in range(3):
        done = replay(space, curve, algorithm="random", scheduler=name, seed=seed, **terms)
        full = replay(space, curve, algorithm="random", scheduler="fifo", seed=seed, **terms)
        scale = np.nanstd([trial.curve[-1] for trial in full.trials if trial.state == "finished"])
        sign = 1.0 if mode == "max" else -1.0
        found.append(sign * done.best_over_epochs()[-1] / scale)
        best.append(sign * full.best_over_epochs()[-1] / scale)
        assert len(done.trials) == trials

    assert np.mean(found) >= np.mean(best) - 0.5


def recorded(task: str) -> tuple[Space, Curve, Any, int]:
    """A table of recorded curves: its rows are the candidates."""
    if not HPO.exists():
        pytest.skip("no shared data beside this checkout")
    if task == "lcbench":
        with np.load(HPO / "lcbench_surrogate.npz") as file:
            scores = file["val_accuracy_u16"][3].astype(float) * (100 / 65535)
        mode = "max"
    else:
        with np.load(HPO / "taskset_learning_curves.npz") as file:
            scores = file["valid_loss"][2].astype(float)
        mode = "min"
    rows = len(scores)
    space = Space(
        name=task, layers=(), parameters=(Parameter("row", Int(0, rows - 1), "training"),)
    )
    return space, lambda values: scores[values["row"]].tolist(), mode, scores.shape[1]
