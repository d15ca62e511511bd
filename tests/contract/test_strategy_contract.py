"""What every search strategy owes the search; each row of the table takes part by standing in it.

What a row cannot do is said by its flags and by nothing else.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from random_spaces import random_space

from raygen.config.space import Choice, Float, Parameter, Space
from raygen.search.replay import Replayed, replay
from raygen.search.schedulers import SCHEDULERS
from raygen.search.strategies import STRATEGIES, Row, load_strategy
from raygen.search.strategies.strategy import Strategy, Terms

BOWL = Space("bowl", (), parameters=(Parameter("a", Float(-5, 5)), Parameter("b", Float(-5, 5))))
EPOCHS = 4
SPACES = 100
Proposal = dict[str, Any]
Score = Callable[[Proposal], float | None]

NAMES = list(STRATEGIES)
LEARNERS = [name for name, row in STRATEGIES.items() if row.learns]
SEVERAL = [name for name, row in STRATEGIES.items() if row.objectives]
TWICE = ("reinforce", "skopt-gp", "optuna-nsga2", "optuna-nsga3")
"""A pause leaves a trace in them: a step of the policy, a fit of the kernel, a generation's end."""
ACQUISITIONS = [(name, each) for name, row in STRATEGIES.items() for each in row.acquisitions]


def share(index: int, count: int = 5) -> list[int]:
    """The spaces of a row in the fast set; those of a costly row are fewer."""
    return [(index * count + offset) % SPACES for offset in range(count)]


def rows(names: list[str]) -> list[Any]:
    """The rows of a test; in the fast set only those that propose in hundredths of a second."""
    marks = {True: [pytest.mark.slow], False: []}
    return [pytest.param(name, marks=marks[STRATEGIES[name].costly]) for name in names]


FAST = [
    (name, seed)
    for index, name in enumerate(NAMES)
    for seed in share(index)[: 1 if STRATEGIES[name].costly else None]
]
POINTS = [(name, 14) for name in NAMES] + [
    (name, done) for name in NAMES if not STRATEGIES[name].costly for done in (0, 3)
]
REST = [(name, seed) for name in NAMES for seed in range(SPACES) if (name, seed) not in FAST]


def space_for(row: Row, seed: int) -> Space:
    """A random space that the row can represent."""
    return random_space(seed, conditions=row.conditions, choices=row.choices)


def made(name: str, space: Space, **known: Any) -> Strategy:
    """A strategy of a search of 40 trials."""
    return load_strategy(name, Terms(space=space, **{"trials": 40, "max_epochs": EPOCHS} | known))


def told(strategy: Strategy, number: int, values: Proposal, score: float | None) -> None:
    """End a trial: every third was stopped after its first epoch, a failed one reported nothing."""
    if score is None:
        strategy.end(number, None)
        return
    scores = (score, *(-score * (rank + 1) for rank in range(strategy.terms.objectives - 1)))
    for epoch in range(1, 2 if number % 3 == 1 else EPOCHS + 1):
        strategy.report(number, epoch, scores)
    strategy.end(number, scores)


def searched(
    strategy: Strategy,
    count: int,
    score: Score,
    *,
    pending: int = 1,
    first: int = 0,
    tell: Callable[[Strategy, int, Proposal, float | None], None] = told,
) -> list[Proposal]:
    """What is proposed while up to ``pending`` trials run at a time, oldest ended first."""
    proposals: list[Proposal] = []
    running: list[int] = []
    for number in range(first, first + count):
        values = strategy.ask()
        if values is None:
            break
        strategy.begin(number, dict(values))
        proposals.append(values)
        running.append(number)
        if len(running) == pending:
            ended = running.pop(0)
            tell(strategy, ended, proposals[ended - first], score(proposals[ended - first]))
    return proposals


def any_score(values: Proposal) -> float:
    """A score of any space."""
    text = json.dumps(values, sort_keys=True)
    return sum(map(ord, text)) % 97 / 97


def tied(values: Proposal) -> float:
    """The same score for all."""
    return 0.5


def failing(values: Proposal) -> float | None:
    """A third of the candidates fail."""
    score = any_score(values)
    return None if score < 1 / 3 else score


def hopeless(values: Proposal) -> None:
    """Every candidate fails."""


def bowl(values: Proposal) -> float:
    """A score with its highest point at (1, -2)."""
    return float(-((values["a"] - 1) ** 2) - (values["b"] + 2) ** 2)


def check_candidates(name: str, seed: int) -> None:
    """Search a random space, with scores and a number of workers that go with its seed."""
    space = space_for(STRATEGIES[name], seed)
    score = (any_score, tied, failing, hopeless)[seed % 4]

    proposals = searched(made(name, space), 20, score, pending=(1, 4, 16)[seed % 3])

    assert proposals
    for values in proposals:
        space.validate(values)
        assert {type(value) for value in values.values()} <= {bool, int, float, str}
        assert json.loads(json.dumps(values)) == values


@pytest.mark.parametrize(("name", "seed"), FAST)
def test_proposals_are_candidates_of_random_spaces(name: str, seed: int) -> None:
    """Inside bounds, on steps, conditions honoured, plain values, whatever the scores are."""
    check_candidates(name, seed)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), REST)
def test_proposals_are_candidates_of_all_random_spaces(name: str, seed: int) -> None:
    """The same for every row and all hundred spaces."""
    check_candidates(name, seed)


@pytest.mark.parametrize(("name", "done"), POINTS)
def test_a_resumed_search_goes_on_as_if_it_had_never_stopped(name: str, done: int) -> None:
    """A new instance that is told the journal proposes what the old one would have proposed."""
    space = space_for(STRATEGIES[name], 3)
    whole = searched(made(name, space, seed=5), 16, failing)

    resumed = made(name, space, seed=5)
    resumed.skip(min(done, len(whole)))
    for number, values in enumerate(whole[:done]):
        resumed.begin(number, dict(values))
        told(resumed, number, values, failing(values))

    assert searched(resumed, 16 - done, failing, first=done) == whole[done:]


@pytest.mark.parametrize("name", rows(NAMES))
def test_the_seed_decides(name: str) -> None:
    """The same seed proposes the same; another one something else, unless there is no chance."""
    first, same, other = (searched(made(name, BOWL, seed=seed), 12, bowl) for seed in (3, 3, 4))

    assert first == same
    assert (first == other) is not STRATEGIES[name].seeded


@pytest.mark.parametrize("name", rows(NAMES))
@pytest.mark.parametrize("pending", [1, 16])
def test_pending_candidates_are_not_proposed_again(name: str, pending: int) -> None:
    """On a continuous space none is among those that run; as many are done as were asked for.

    What is over may come again: search/candidates.py refuses it, and evolution has clones.
    """
    proposals = searched(made(name, BOWL, workers=pending), 28, bowl, pending=pending)

    for number, values in enumerate(proposals):
        assert values not in proposals[max(0, number - pending + 1) : number]
    assert len(proposals) == 28 or not STRATEGIES[name].seeded


@pytest.mark.parametrize("name", rows(NAMES))
def test_a_strategy_takes_what_others_proposed(name: str) -> None:
    """Trials may come from an earlier search, before anything is asked, and end in any order."""
    space = space_for(STRATEGIES[name], 7)
    strategy, rng = made(name, space), np.random.default_rng(0)
    foreign = [space.sample(rng) for _ in range(30)]
    for number, values in enumerate(foreign):
        strategy.begin(number, dict(values))
    for number in reversed(range(30)):
        told(strategy, number, foreign[number], failing(foreign[number]))

    proposals = searched(strategy, 3, failing, first=30)

    for values in proposals:
        space.validate(values)


@pytest.mark.parametrize("name", rows(NAMES))
def test_refused_proposals_do_not_repeat_for_ever(name: str) -> None:
    """Where a constraint forbids the best region, another one is proposed before long."""
    strategy = made(name, BOWL)
    searched(strategy, 14, lambda values: -values["a"])

    found = None
    for _ in range(200):
        found = strategy.ask()
        if found is None or found["a"] > 2:
            break

    assert found is None or found["a"] > 2


@pytest.mark.parametrize("name", rows(NAMES))
def test_a_space_that_is_used_up_stops_nobody(name: str) -> None:
    """Of four candidates in all, the strategy names one of them again or none at all."""
    domain = Choice((1, 2)) if STRATEGIES[name].choices else Float(0.0, 1.0, step=1.0)
    space = Space("four", (), parameters=(Parameter("a", domain), Parameter("b", domain)))

    proposals = searched(made(name, space), 18, tied)

    assert len(proposals) >= 4
    for values in proposals:
        space.validate(values)


@pytest.mark.parametrize("name", rows(SEVERAL))
def test_several_objectives(name: str) -> None:
    """Scores may be tuples; a resumed search goes on as before."""
    space = space_for(STRATEGIES[name], 11)
    whole = searched(made(name, space, objectives=2), 18, failing)

    resumed = made(name, space, objectives=2)
    resumed.skip(min(16, len(whole)))
    for number, values in enumerate(whole[:16]):
        resumed.begin(number, dict(values))
        told(resumed, number, values, failing(values))

    assert searched(resumed, 2, failing, first=16) == whole[16:]
    for values in whole:
        space.validate(values)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "acquisition"), ACQUISITIONS)
def test_acquisitions(name: str, acquisition: str) -> None:
    """Each acquisition function in a row's list proposes candidates."""
    strategy = made(name, BOWL, options={"acquisition": acquisition})

    for values in searched(strategy, 12, bowl):
        BOWL.validate(values)


def slept(strategy: Strategy, number: int, values: Proposal, score: float | None) -> None:
    """End a trial after pauses: every third sleeps on, every fourth of the others never slept."""
    if score is None or number % 4 == 3:
        told(strategy, number, values, score)
        return
    scores = (score, *(-score * (rank + 1) for rank in range(strategy.terms.objectives - 1)))
    for epoch in (1, 2):
        strategy.report(number, epoch, scores)
        strategy.pause(number, scores)
    if number % 3:
        for epoch in range(3, EPOCHS + 1):
            strategy.report(number, epoch, scores)
        strategy.end(number, None if number % 5 == 4 else scores)


@pytest.mark.parametrize("name", rows(NAMES))
def test_a_search_with_pauses_goes_on_as_if_it_had_never_stopped(name: str) -> None:
    """Who is told of the same pauses and ends proposes the same, whoever has slept or sleeps."""
    space = space_for(STRATEGIES[name], 3)
    whole = searched(made(name, space, seed=5), 24, failing, tell=slept)

    resumed = made(name, space, seed=5)
    resumed.skip(min(18, len(whole)))
    for number, values in enumerate(whole[:18]):
        resumed.begin(number, dict(values))
        slept(resumed, number, values, failing(values))

    assert searched(resumed, 6, failing, first=18, tell=slept) == whole[18:]
    for values in whole:
        space.validate(values)


@pytest.mark.parametrize("name", rows([each for each in NAMES if each not in TWICE]))
def test_the_end_takes_the_place_of_a_pause(name: str) -> None:
    """A trial that went on counts once, with what it has reached at last, or with its failure."""
    space = space_for(STRATEGIES[name], 3)
    straight, waking = made(name, space), made(name, space)
    for strategy in (straight, waking):
        strategy.skip(20)
    rng = np.random.default_rng(0)
    for number in range(20):
        values, ended = space.sample(rng), failing(space.sample(rng))
        for strategy in (straight, waking):
            strategy.begin(number, dict(values))
            strategy.report(number, 1, (0.9,))
        if ended is not None:  # bohb and gp have seen the epoch, whatever became of the trial
            waking.pause(number, (0.9,))
        for strategy in (straight, waking):
            strategy.end(number, None if ended is None else (ended,))

    assert straight.ask() == waking.ask()


@pytest.mark.parametrize("scheduler", [name for name, row in SCHEDULERS.items() if row.pauses])
@pytest.mark.parametrize("name", rows(NAMES))
def test_every_strategy_goes_with_every_scheduler_that_pauses(name: str, scheduler: str) -> None:
    """All trials end, the proposals are candidates, and the same seed gives the same search."""
    space = space_for(STRATEGIES[name], 9)

    def search() -> Replayed:
        return replay(
            space,
            lambda values: [any_score(values) * epoch for epoch in range(1, 10)],
            algorithm=name,
            scheduler=scheduler,
            max_epochs=9,
            workers=3,
            trials=16,
        )

    done = search()

    assert done == search()
    assert all(math.isfinite(trial.ended_s) for trial in done.trials)
    for trial in done.trials:
        space.validate(trial.values)


def asleep(strategy: Strategy, number: int, values: Proposal, score: float | None) -> None:
    """Pause a trial after its first epoch for good."""
    assert score is not None
    strategy.report(number, 1, (score,))
    strategy.pause(number, (score,))


@pytest.mark.parametrize("name", rows([each for each in LEARNERS if each not in ("gp", "auto")]))
def test_sleepers_teach(name: str) -> None:
    """Of trials that only ever sleep learners learn as of others."""
    draws = statistics.median(late("random", seed, 30) for seed in range(9))

    assert statistics.median(late(name, seed, 30, tell=asleep) for seed in range(3)) > draws


def late(name: str, seed: int, trials: int, **told_by: Any) -> float:
    """The median score of a search's last third."""
    proposals = searched(made(name, BOWL, seed=seed, trials=trials), trials, bowl, **told_by)
    return statistics.median(bowl(values) for values in proposals[-trials // 3 :])


@pytest.mark.parametrize("name", rows(LEARNERS))
def test_learners_beat_random_draws(name: str) -> None:
    """The later proposals stand nearer to the top of a bowl than draws, in the median of seeds."""
    assert statistics.median(late(name, seed, 30) for seed in range(3)) > statistics.median(
        late("random", seed, 30) for seed in range(9)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
def test_learners_beat_random_draws_by_far(name: str) -> None:
    """With 80 trials the later proposals are half as far from the top, in the median of seeds."""
    random = statistics.median(late("random", seed, 80) for seed in range(9))

    assert statistics.median(late(name, seed, 80) for seed in range(5)) > random / 2
