"""The schedulers one by one; what holds of all of them is in ``tests/contract``."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.search.replay import replay as replay_search
from raygen.search.schedulers import (
    SCHEDULERS,
    SchedulerTerms,
    keep_warm,
    load_scheduler,
    milestones,
    pool_size,
)
from raygen.search.schedulers.asha import FiniteASHA
from raygen.search.schedulers.explore import mutated
from raygen.search.schedulers.extrapolate import chance
from raygen.search.schedulers.pareto import rank

GO, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP
SPACE = Space(name="none", layers=())


class KnownTrial:
    """As much of a Tune trial as schedulers look at."""

    experiment_tag = ""
    status = "RUNNING"
    is_saving = False

    def __init__(self, name: str) -> None:
        self.trial_id, self.config = f"tune-{name}", {"trial_id": name}

    def set_config(self, config: dict[str, Any]) -> None:
        """Take another one."""
        self.config = config


def trial_of(name: str) -> Any:
    """A Tune trial with that number in the journal."""
    return KnownTrial(name)


def load(name: str, max_epochs: int = 9, mode: str = "max") -> Any:
    """A scheduler of the YAML, as Ray Tune sets it up."""
    scheduler = load_scheduler(name, SchedulerTerms(space=SPACE, max_epochs=max_epochs))
    scheduler.set_search_properties("score", mode)
    return scheduler


def asha(max_epochs: int = 9, mode: str = "max") -> FiniteASHA:
    """The one of the default."""
    scheduler = load("asha", max_epochs, mode)
    assert isinstance(scheduler, FiniteASHA)
    return scheduler


def replay(scheduler: FiniteASHA, **curves: list[float]) -> dict[str, int]:
    """Show the trials' curves epoch by epoch; gives the last epoch of each."""
    trials = {name: trial_of(name) for name in curves}
    for trial in trials.values():
        scheduler.on_trial_add(None, trial)
    ended: dict[str, int] = {}
    for epoch in range(1, max(map(len, curves.values())) + 1):
        for name, curve in curves.items():
            if name in ended or epoch > len(curve):
                continue
            result = {"epoch": epoch, "score": curve[epoch - 1]}
            failed = not math.isfinite(curve[epoch - 1])
            decision = scheduler.on_trial_result(None, trials[name], result)
            if decision == STOP or failed:
                assert decision == STOP, "a trial that failed may not go on"
                scheduler.on_trial_complete(None, trials[name], result)
                ended[name] = epoch
    return ended


def cutoffs(scheduler: FiniteASHA) -> list[dict[str, float]]:
    """What the rungs remember."""
    return [dict(recorded) for _, recorded in scheduler._brackets[0]._rungs]


def rising(start: float) -> list[float]:
    """A curve that keeps its distance to the others."""
    return [start + epoch / 100 for epoch in range(9)]


def test_the_better_third_goes_on() -> None:
    """Rungs stand at epochs 1 and 3 of 9; who is in the best third of a rung passes it."""
    ended = replay(
        asha(), a=rising(0.9), b=rising(0.8), c=rising(0.7), d=rising(0.6), e=rising(0.5)
    )

    assert ended["a"] == 9
    assert ended["c"] == ended["d"] == ended["e"] == 1


def test_a_score_that_is_minimised_is_read_the_other_way_round() -> None:
    """The lowest error goes on."""
    ended = replay(asha(mode="min"), a=rising(0.1), b=rising(0.5), c=rising(0.9))

    assert ended["a"] == 9
    assert ended["c"] == 1


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_failed_trial_is_stopped_and_leaves_no_trace(broken: float) -> None:
    """The others end as they would have without it, and no rung holds its number."""
    others = {"a": rising(0.9), "b": rising(0.8), "c": rising(0.7), "d": rising(0.6)}
    without, with_it = asha(), asha()

    expected = replay(without, **others)
    ended = replay(with_it, x=[broken], **others, y=[0.95, 0.95, broken])

    assert ended.pop("x") == 1
    assert ended.pop("y") == 3
    rungs = cutoffs(with_it)
    assert all("x" not in rung for rung in rungs)
    assert all(math.isfinite(score) for rung in rungs for score in rung.values())
    assert "x" not in with_it._trial_info
    assert ended["a"] == expected["a"] == 9


def test_a_trial_that_failed_first_stops_nobody() -> None:
    """In Ray's own ASHA a NaN in a rung makes the cutoff NaN, which lets everybody pass."""
    ended = replay(asha(), x=[math.nan], a=rising(0.9), b=rising(0.8), c=rising(0.7), d=rising(0.6))

    assert ended["d"] == 1


def test_ties_go_on_together() -> None:
    """Equal scores are on the cutoff, not below it."""
    ended = replay(asha(), a=rising(0.5), b=rising(0.5), c=rising(0.5))

    assert ended == {"a": 9, "b": 9, "c": 9}


@pytest.mark.parametrize("max_epochs", [1, 2, 3, 20])
def test_any_number_of_epochs_will_do(max_epochs: int) -> None:
    """Trials of a single epoch have nothing to be stopped in."""
    curve = [0.5] * max_epochs

    assert replay(asha(max_epochs), a=curve, b=curve) == {"a": max_epochs, "b": max_epochs}


def test_fifo_lets_everybody_finish() -> None:
    """It never stops a trial."""
    assert load("fifo").on_trial_result(None, trial_of("a"), {"epoch": 1, "score": 0.0}) == GO


def test_every_slot_gets_and_keeps_its_worker() -> None:
    """Ray Tune starts the missing ones at once; its cache of idle ones holds one for each slot."""
    told: list[tuple[str, int]] = []
    pending: list[int] = []
    trial: Any = SimpleNamespace(
        trial_id="a", config={"trial_id": "a"}, placement_group_factory="one CPU"
    )
    controller: Any = SimpleNamespace(
        _actor_cache=SimpleNamespace(increase_max=lambda kind, by: told.append((kind, by))),
        _cleanup_cached_actors=lambda force_all: told.append(("cleaned up", force_all)),
        _actor_manager=SimpleNamespace(num_live_actors=3),
        get_live_trials=lambda: [trial],
        update_max_pending_trials=pending.append,
    )
    slots = [5, 5, 5, 7, 3]  # at the first trial, and at each cleaning
    scheduler = keep_warm(asha(), lambda: slots.pop(0))

    scheduler.on_trial_add(controller, trial)
    for _ in range(4):
        controller._cleanup_cached_actors()

    cleaned = ("cleaned up", False)
    raised = [("one CPU", 5), cleaned, cleaned, ("one CPU", 2), cleaned, ("one CPU", -4), cleaned]
    assert told == raised
    assert pending == [2, 2, 2, 4, 1]
    assert scheduler._trial_info.keys() == {"a"}


def test_asha_decides_as_rays_own() -> None:
    """Kept sorted, the rungs have the cutoffs that Ray computes anew each time."""
    ours, rays = (
        asha(27),
        AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="score",
            mode="max",
            max_t=27,
            grace_period=3,
            reduction_factor=3,
        ),
    )
    rng = np.random.default_rng(0)
    for number in range(60):
        trial = trial_of(str(number))
        ours.on_trial_add(None, trial)
        rays.on_trial_add(None, trial)
        for epoch in range(1, 27):
            result = {"epoch": epoch, "score": round(float(rng.normal(epoch)), 1)}
            decision = ours.on_trial_result(None, trial, dict(result))

            assert decision == rays.on_trial_result(None, trial, dict(result))
            if decision == STOP:
                break


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(9, (1, 3)), (20, (3, 9)), (52, (2, 6, 18)), (100, (4, 12, 36)), (1, ())]
)
def test_longer_trainings_have_more_rungs(epochs: int, rungs: tuple[int, ...]) -> None:
    """The first rung is about a ninth of the epochs, or a third of that if it is late then."""
    terms = SchedulerTerms(space=SPACE, max_epochs=epochs)

    assert milestones("asha-promote", terms) == rungs
    scheduler = asha(epochs)
    assert [m for m, _ in reversed(scheduler._brackets[0]._rungs) if m < epochs] == list(rungs)


@pytest.mark.parametrize("name", ["asha", "median", "extrapolate"])
def test_what_an_earlier_session_saw_still_counts(name: str) -> None:
    """A scheduler that was told the trials of a killed session decides as if it had not been."""
    rng = np.random.default_rng(1)
    curves = [[float(top * (1 - 0.8**e)) for e in range(1, 28)] for top in rng.random(20)]
    whole, second = load(name, 27), load(name, 27)
    for number, curve in enumerate(curves[:10]):
        told = play(whole, str(number), curve)
        second.recall(str(number), curve[:told], over=True)
    half = curves[10][:3]
    for each in (whole, second):
        each.on_trial_add(None, trial_of("10"))
    for epoch, score in enumerate(half, start=1):
        assert whole.on_trial_result(None, trial_of("10"), {"epoch": epoch, "score": score}) == GO
    second.recall("10", half, over=False)

    expected = [play(whole, "10", curves[10], start=4)]
    expected += [play(whole, str(n), curves[n]) for n in range(11, 20)]
    found = [play(second, "10", curves[10], start=4)]
    found += [play(second, str(n), curves[n]) for n in range(11, 20)]
    assert found == expected
    assert len(set(expected)) > 1


def play(scheduler: Any, name: str, curve: list[float], start: int = 1) -> int:
    """Show one trial's curve until it is stopped or over; gives its last epoch."""
    trial = trial_of(name)
    if start == 1:
        scheduler.on_trial_add(None, trial)
    for epoch, score in enumerate(curve[start - 1 :], start=start):
        result = {"epoch": epoch, "score": score}
        over = epoch == len(curve)
        if over or scheduler.on_trial_result(None, trial, result) == STOP:
            scheduler.on_trial_complete(None, trial, result)
            return epoch
    raise AssertionError("the curve has an end")


def test_promotion_corrects_an_unlucky_start() -> None:
    """A trial that came first and waited is woken when enough weaker ones have come after it."""
    space = Space(name="n", layers=(), parameters=(Parameter("n", Int(0, 8)),))
    heights = [0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    done = replay_search(
        space,
        lambda values: [heights[int(values["n"])]] * 9,
        algorithm="grid",
        scheduler="asha-promote",
        max_epochs=9,
        trials=9,
    )

    assert done.trials[0].state == "finished"
    times = [time_s for time_s, trial, _, _ in done.epochs if trial == 0]
    assert times[1] - times[0] > 1  # it slept between its first two epochs
    assert sum(trial.state == "finished" for trial in done.trials) == 1


def test_an_extrapolated_curve_has_a_sensible_end() -> None:
    """A curve that rises to 0.9 beats 0.8 surely and 0.99 hardly; a flat one beats nothing."""
    curve = [0.9 - 0.6 * epoch**-1.0 for epoch in range(1, 16)]

    assert chance(curve, 0.8, 50) > 0.95
    assert chance(curve, 0.99, 50) < 0.05
    assert chance([0.5] * 6, 0.6, 50) == 0.0
    assert chance([0.5] * 6, 0.5, 50) == 1.0


def test_the_first_front_comes_first() -> None:
    """Points that nobody dominates rank before all others, the ends of the front among them."""
    points = np.array([[0.1, 0.1], [1.0, 0.0], [0.0, 1.0], [0.6, 0.6], [0.5, 0.5], [0.61, 0.58]])

    ranked = rank(points)

    assert set(ranked[:4]) == {1, 2, 3, 5}
    assert ranked[4:] == [4, 0]
    assert set(ranked[:3]) >= {1, 2}  # far from each other, so before close neighbours


def test_mutations_stay_in_their_domains() -> None:
    """Numbers move by a fifth or a step, whole ones stay whole, options go to a neighbour."""
    parameters = (
        Parameter("lr", Float(1e-4, 1e-1, log=True), "training"),
        Parameter("signed", Float(-1.0, 1.0), "training"),
        Parameter("stepped", Float(0.0, 0.9, step=0.1), "training"),
        Parameter("whole", Int(1, 1000, log=True), "training"),
        Parameter("even", Int(2, 20, step=2), "training"),
        Parameter("kind", Choice(("a", "b", "c")), "training"),
        Parameter("inactive", Float(0.0, 1.0), "training", Condition("kind", ("z",))),
        Parameter("one", Int(3, 3), "training"),
    )
    space = Space(name="all", layers=(), parameters=parameters)
    values = space.sample(np.random.default_rng(0))
    seen = set()
    for seed in range(300):
        values = mutated(values, parameters, np.random.default_rng(seed))
        space.validate(values)
        assert type(values["whole"]) is type(values["even"]) is int
        seen.add((values["kind"], values["even"]))

    assert len(seen) > 20


def test_only_training_values_without_dependents_are_mutable() -> None:
    """Neither architecture nor what decides whether another parameter is there may change."""
    parameters = (
        Parameter("width", Int(1, 4)),
        Parameter("lr", Float(0.1, 1.0), "training"),
        Parameter("optimizer", Choice(("adam", "sgd")), "training"),
        Parameter("momentum", Float(0.0, 1.0), "training", Condition("optimizer", ("sgd",))),
    )
    terms = SchedulerTerms(space=Space(name="m", layers=(), parameters=parameters), max_epochs=9)

    assert [each.name for each in terms.mutable_parameters()] == ["lr", "momentum"]


def test_a_move_that_is_refused_changes_nothing() -> None:
    """When the donor's checkpoint is gone the recipient trains on as it was."""
    space = Space(name="lr", layers=(), parameters=(Parameter("lr", Float(0.0, 1.0), "training"),))
    refused: list[tuple[Any, ...]] = []

    def without_moves(terms: SchedulerTerms) -> TrialScheduler:
        terms = SchedulerTerms(
            space=space,
            max_epochs=10,
            trials=8,
            values_of=terms.values_of,
            more=terms.more,
            move=lambda *what: refused.append(what),
        )
        return load_scheduler("pbt", terms)

    done = replay_search(
        space,
        lambda values: [values["lr"] * epoch for epoch in range(1, 11)],
        algorithm="random",
        scheduler=without_moves,
        max_epochs=10,
        workers=8,
        trials=8,
    )

    assert refused
    assert all(trial.state == "finished" and not trial.schedule for trial in done.trials)


def test_survivors_get_the_free_workers() -> None:
    """At the end of a search the last trials train on all CPUs, and so it is over sooner."""
    space = Space(name="n", layers=(), parameters=(Parameter("n", Int(0, 11)),))
    terms: dict[str, Any] = {"algorithm": "grid", "max_epochs": 30, "trials": 12, "workers": 8}

    def curve(values: dict[str, Any]) -> list[float]:
        return [float(values["n"])] * 30

    plain = replay_search(space, curve, scheduler="asha", **terms)
    grown = replay_search(space, curve, scheduler="resources", **terms)

    assert [t.state for t in grown.trials] == [t.state for t in plain.trials]
    assert grown.seconds < 0.8 * plain.seconds


def test_a_population_is_proposed_at_once() -> None:
    """PBT needs all to compare with; others need no more than run."""
    terms = SchedulerTerms(space=SPACE, max_epochs=9, workers=4, trials=12)

    assert pool_size("pbt", terms) == 12
    assert pool_size("asha", terms) == 4
    assert pool_size("hyperband", terms) is None


def test_the_table_is_read_without_ray() -> None:
    """`raygen check` looks at rows and milestones; Ray is loaded when a scheduler is."""
    program = "import sys, raygen.search.schedulers; print('ray' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "False"
    assert set(SCHEDULERS) >= {"fifo", "asha", "pbt"}


def test_a_promoted_trial_of_an_earlier_session_keeps_its_place() -> None:
    """Rungs know the recalled trials; who goes on is decided on from its next epoch on."""
    scheduler = load("asha-promote", 9)
    for name, score in [("0", 0.9), ("1", 0.5), ("2", 0.4)]:
        scheduler.recall(name, [score], over=True)
    trial = trial_of("3")
    scheduler.recall("3", [0.8, 0.8], over=False)
    scheduler.on_trial_add(None, trial)

    assert scheduler.on_trial_result(None, trial, {"epoch": 2, "score": 0.8}) == GO
    assert scheduler.on_trial_result(None, trial, {"epoch": 3, "score": 0.8}) == "PAUSE"
    assert [len(rung.order) for rung in scheduler._rungs] == [4, 1]


@pytest.mark.parametrize("name", ["pbt", "pb2"])
def test_a_population_of_an_earlier_session_is_compared_with(name: str) -> None:
    """A trial that comes to a milestone moves to one whose epochs were told by the journal."""
    space = Space(name="lr", layers=(), parameters=(Parameter("lr", Float(0.1, 0.9), "training"),))
    moves: list[tuple[str, str, int]] = []

    def move(recipient: Any, donor: Any, epoch: int, values: dict[str, Any]) -> dict[str, Any]:
        space.validate(values)
        moves.append((recipient.config["trial_id"], donor.config["trial_id"], epoch))
        return dict(recipient.config)

    scheduler: Any = load_scheduler(
        name,
        SchedulerTerms(
            space=space, max_epochs=20, trials=4, move=move, values_of=lambda trial: {"lr": 0.5}
        ),
    )
    scheduler.set_search_properties("score", "max")
    trials = {number: trial_of(number) for number in "0123"}
    paused: list[Any] = []
    controller: Any = SimpleNamespace(
        get_trials=lambda: list(trials.values()),
        pause_trial=lambda trial, should_checkpoint: paused.append(trial),
    )
    for number, trial in trials.items():
        scheduler.recall(number, [0.1 * (int(number) + 1)] * 5, over=False)
        scheduler.on_trial_add(controller, trial)

    decisions = [
        scheduler.on_trial_result(controller, trials[number], {"epoch": 6, "score": score})
        for number, score in [("3", 0.9), ("0", 0.1)]
    ]

    assert decisions[0] == GO
    assert moves == [("0", "3", 6)]
    assert paused == [trials["0"]]
    again = scheduler.on_trial_result(controller, trials["0"], {"epoch": 6, "score": 0.1})
    assert again == GO
