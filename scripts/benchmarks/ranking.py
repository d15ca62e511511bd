"""How good are the verdicts of the ranking, where the truth is known?

python scripts/benchmarks/ranking.py --races 2000 --samples 300

Two parts, each of which can be left out by a count of 0:
- races with drawn scores: the score of a candidate on a fold is its true mean, what the fold adds
  for all, and errors that have a correlation over folds. Told in units of the standard deviation
  of a difference of two candidates on one fold. The gaps to the best are exponential;
- real learners of scikit-learn on samples from a known population, scored by the program's own
  folds: their correlation is what it is, and the truth is measured on fresh rows.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from raygen.data.fragments.folds import deal
from raygen.rank.choice import Contender, choose
from raygen.rank.race import Standing, standing, tied_for_first
from raygen.rank.statistics import mean_interval, posterior_of

CANDIDATES = 10
SEARCHED = 40
"""Of whom the ten best on fold 0 are ranked, in one of the settings."""
ROPE_OF_ERRORS = 0.5
"""In standard deviations of a difference on one fold."""
FOLDS, REPEATS, ROWS = 5, 2, 300
ROPE = 0.005

Scores = NDArray[np.float64]


def main() -> None:
    """Print the tables of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=2000, help="drawn races for each line")
    parser.add_argument("--samples", type=int, default=300, help="data sets for the real learners")
    parser.add_argument("--rho", type=float, nargs="*", default=[0.2, 0.0, 0.1, 0.3, 0.4])
    args = parser.parse_args()
    if args.races:
        drawn_races(args.races, args.rho)
        drawn_intervals(args.races, args.rho)
        drawn_choices(args.races)
    if args.samples:
        real_learners(args.samples)


def raced(scores: Scores) -> tuple[list[list[float]], Standing]:
    """Run a race to its end; returns the scores that it asked for, and how it ended."""
    folds, have = scores.shape[1], [[] for _ in scores]  # type: list[list[float]]
    while True:
        stand = standing(have, folds=folds)
        missing = {place: goal for place, goal in stand.goals.items() if len(have[place]) < goal}
        if not missing:
            return have, stand
        for place, goal in missing.items():
            have[place] = [float(score) for score in scores[place, :goal]]


def judged(scores: Scores, truth: Scores, rope: float, test_share: float) -> list[float]:
    """One race and the full cross-validation, held against the truth."""
    have, stand = raced(scores)
    means = [float(np.mean(each)) for each in have]
    winner = max(stand.goals, key=means.__getitem__)
    full = int(scores.mean(axis=1).argmax())
    best = int(truth.argmax())
    tied = tied_for_first(have, winner, test_share=test_share)
    known = [place for place, each in enumerate(have) if len(each) > 1]  # one has no interval
    return [
        float(truth[winner] >= truth[best] - rope),
        float(truth[full] >= truth[best] - rope),
        sum(map(len, have)) / scores.size,
        float(winner == full),
        float(best in stand.stopped),
        float(best in stand.stopped and full == best),
        float(not tied[best]),
        sum(tied),
        float(np.mean([_covers(have[place], truth[place], test_share) for place in known])),
        _covers(have[winner], truth[winner], test_share),
        float(np.mean([_covers(have[place], truth[place], 0.0) for place in known])),
    ]


HEADER = (
    "fits | within the ROPE: race | all folds | ratio | same winner | best stopped | "
    "best stopped that all folds put first | best called worse | tied | "
    "intervals cover | the winner's | plain t"
)


def line_of(label: str, found: Sequence[Sequence[float]]) -> str:
    """The means of many ``judged`` as a row of a table."""
    race, full, fits, same, stopped, lost, accused, tied, cover, winner, plain = np.mean(
        found, axis=0
    )
    shares = (race, full, race / full, same, stopped, lost, accused)
    cells = " | ".join(f"{share:.3f}" for share in shares)
    covers = " | ".join(f"{share:.3f}" for share in (cover, winner, plain))
    return f"| {label} | {fits:.2f} | {cells} | {tied:.1f} | {covers} |"


def _covers(scores: Sequence[float], truth: float, test_share: float) -> float:
    low, high = mean_interval(scores, test_share=test_share) or (-math.inf, math.inf)
    return float(low <= truth <= high)


def drawn_races(races: int, rhos: Sequence[float]) -> None:
    """Races of ten candidates with drawn scores."""
    print(f"\n| folds, repeats, rho, spread of errors, searched, mean gap | {HEADER} |")
    print("|---" * 13 + "|")
    settings = [(5, 2, rho, 0.0, CANDIDATES) for rho in rhos]
    settings += [(5, 2, 0.2, 0.5, CANDIDATES), (5, 1, 0.2, 0.0, CANDIDATES)]
    settings += [(10, 1, 0.1, 0.0, CANDIDATES), (5, 2, 0.2, 0.0, SEARCHED)]
    settings += [(5, 1, 0.2, 0.0, SEARCHED)]
    for folds, repeats, rho, uneven, searched in settings:
        for gap in (0.0, 0.5, 1.0, 2.0, 4.0):
            rng = np.random.default_rng(1)
            found = []
            for _ in range(races):
                truth = -gap * np.sort(rng.exponential(size=searched)) + 0.0
                scores = drawn(rng, truth, folds * repeats, rho, uneven)
                best = np.sort(np.argsort(-scores[:, 0], kind="stable")[:CANDIDATES])
                found.append(judged(scores[best], truth[best], ROPE_OF_ERRORS, 1 / folds))
            label = f"{folds}, {repeats}, {rho}, {uneven}, {searched}, {gap}"
            print(line_of(label, found), flush=True)


def drawn(rng: np.random.Generator, truth: Scores, folds: int, rho: float, uneven: float) -> Scores:
    """Scores of all candidates on all folds; a difference on one fold has the deviation 1."""
    count = len(truth)
    spread = math.sqrt(0.5) * np.exp(uneven * rng.normal(size=(count, 1)))
    shared = math.sqrt(rho) * rng.normal(size=(count, 1))
    own = math.sqrt(1 - rho) * rng.normal(size=(count, folds))
    found: Scores = truth[:, None] + spread * (shared + own)
    return found


def drawn_intervals(samples: int, rhos: Sequence[float]) -> None:
    """How many intervals of a difference over all ten folds hold the truth."""
    print("\n| rho | corrected intervals of a difference cover | plain |")
    print("|---|---|---|")
    for rho in rhos:
        rng = np.random.default_rng(2)
        scores = drawn(rng, np.zeros(10 * samples), FOLDS * REPEATS, rho, 0.0)
        pairs = scores[::2] - scores[1::2]
        covers = [np.mean([_covers(d, 0.0, s) for d in pairs]) for s in (1 / FOLDS, 0.0)]
        print(f"| {rho} | {covers[0]:.3f} | {covers[1]:.3f} |", flush=True)


def drawn_choices(races: int) -> None:
    """What each rule loses against the best candidate, with sizes that tell nothing of it."""
    rules = ("mean", "simplest-tied", "one-error")
    print("\n| mean gap | " + " | ".join(f"loss by {r} | rank of its size" for r in rules) + " |")
    print("|---" * 7 + "|")
    for gap in (0.5, 1.0, 2.0, 4.0):
        rng, found = np.random.default_rng(3), []
        for _ in range(races):
            truth = -gap * np.sort(rng.exponential(size=CANDIDATES))
            scores = drawn(rng, truth, FOLDS * REPEATS, 1 / FOLDS, 0.0)
            sizes = rng.permutation(CANDIDATES)
            picks = [_pick(scores, sizes, rule) for rule in rules]
            found.append(
                [n for pick in picks for n in (truth.max() - truth[pick], sizes[pick] + 1)]
            )
        print(
            f"| {gap} | " + " | ".join(f"{n:.2f}" for n in np.mean(found, axis=0)) + " |",
            flush=True,
        )


def _pick(scores: Scores, sizes: NDArray[np.int64], rule: str) -> int:
    """Whom a rule chooses after a race, once the chosen one was trained on all folds."""
    have, stand = raced(scores)
    leader = max(stand.goals, key=lambda place: float(np.mean(have[place])))
    while True:
        chosen = _choice(have, leader, sizes, rule)
        if len(have[chosen]) == scores.shape[1]:
            return chosen
        have[chosen] = [float(score) for score in scores[chosen]]
        leader = max((leader, chosen), key=lambda place: float(np.mean(have[place])))


def _choice(have: list[list[float]], leader: int, sizes: NDArray[np.int64], rule: str) -> int:
    order = [leader, *(place for place in range(len(have)) if place != leader)]
    tied = tied_for_first(have, leader, test_share=1 / FOLDS)
    contenders = [
        Contender(
            scores=have[place],
            gap=float(np.mean(have[leader][: len(have[place])]) - np.mean(have[place])),
            tied=tied[place],
            complete=len(have[place]) == FOLDS * REPEATS,
            num_parameters=int(sizes[place]),
        )
        for place in order
    ]
    return order[choose(contenders, rule).place]


def learners() -> list[Any]:
    """Ten classifiers as different, and as alike, as what a search leaves."""
    return [
        *(LogisticRegression(C=c, max_iter=200) for c in (0.01, 0.1, 10.0)),
        GaussianNB(),
        *(KNeighborsClassifier(k) for k in (5, 15, 40)),
        *(DecisionTreeClassifier(max_depth=d, random_state=0) for d in (3, 6)),
        RandomForestClassifier(15, max_depth=6, random_state=0),
    ]


def population(rng: np.random.Generator, rows: int) -> tuple[Scores, NDArray[np.int64]]:
    """Rows of a problem of two classes with a curved border, noise, and idle columns."""
    x = rng.normal(size=(rows, 8))
    logit = 1.2 * x[:, 0] - x[:, 1] + 0.7 * x[:, 2] * x[:, 3] + 0.5 * (x[:, 4] ** 2 - 1)
    return x, (rng.random(rows) < 1 / (1 + np.exp(-1.5 * logit))).astype(np.int64)


def real_learners(samples: int) -> None:
    """Cross-validate ten classifiers on many samples, and hold the verdicts against the truth."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    fresh = population(np.random.default_rng(99), 20_000)
    scores, truths = [], []
    for sample in range(samples):
        x, y = population(np.random.default_rng(sample), ROWS)
        scores.append(_fold_scores(x, y))
        rows = len(y) - len(y) // FOLDS
        truths.append([each.fit(x[:rows], y[:rows]).score(*fresh) for each in learners()])
    truth, all_scores = np.mean(truths, axis=0), np.array(scores)
    found = [judged(each, truth, ROPE, 1 / FOLDS) for each in all_scores]
    print("\ntrue accuracies:", ", ".join(f"{each:.4f}" for each in truth))
    print(f"\n| | {HEADER} |")
    print("|---" * 13 + "|")
    print(line_of(f"{ROWS} rows, {FOLDS} folds, {REPEATS} repeats", found))
    _print_pairs(all_scores, truth)


def _print_pairs(scores: Scores, truth: Scores) -> None:
    """The correlation of folds, and how the intervals of all 45 differences fare."""
    pairs = [(a, b) for a in range(len(truth)) for b in range(a)]
    rhos, covers, plain, sure = [], [], [], []
    for a, b in pairs:
        differences = scores[:, a] - scores[:, b]
        within = differences.var(axis=1, ddof=1).mean()
        between = differences.mean(axis=1).var(ddof=1) - within / differences.shape[1]
        rhos.append(between / (between + within))
        gap = truth[a] - truth[b]
        covers += [_covers(each, gap, 1 / FOLDS) for each in differences]
        plain += [_covers(each, gap, 0.0) for each in differences]
        for each in differences:
            posterior = posterior_of(each, test_share=1 / FOLDS)
            worse, same, better = posterior.split(ROPE) if posterior else (0.0, 1.0, 0.0)
            verdict = (gap < -ROPE, abs(gap) <= ROPE, gap > ROPE)
            sure += [
                float(v) for v, p in zip(verdict, (worse, same, better), strict=True) if p > 0.95
            ]
    print(f"\ncorrelation of the differences on two folds: median {np.median(rhos):.2f}, ", end="")
    print(f"from {min(rhos):.2f} to {max(rhos):.2f} over {len(pairs)} pairs")
    print(f"intervals of a difference cover {np.mean(covers):.3f}, plain ones {np.mean(plain):.3f}")
    print(f"posteriors above 0.95: {len(sure)} of {len(covers)}, right {np.mean(sure):.3f}")


def _fold_scores(x: Scores, y: NDArray[np.int64]) -> Scores:
    """The accuracy of each learner on each fold of each repeat."""
    found = np.zeros((CANDIDATES, FOLDS * REPEATS))
    for fold in range(FOLDS * REPEATS):
        held_out = deal(y, FOLDS, seed=fold // FOLDS) == fold % FOLDS
        for place, learner in enumerate(learners()):
            learner.fit(x[~held_out], y[~held_out])
            found[place, fold] = learner.score(x[held_out], y[held_out])
    return found


if __name__ == "__main__":
    main()
