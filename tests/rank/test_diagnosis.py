from __future__ import annotations

import numpy as np

from raygen.rank.diagnosis import Diagnosis, Patient, diagnose
from raygen.runs.records import FoldResult, State


def patient(
    *curve: float,
    losses: tuple[float, float] | None = None,
    scores: tuple[float, ...] = (0.9, 0.9, 0.9),
    tied: bool = True,
    sign: int = 1,
    guess: float | None = None,
) -> Patient:
    """Somebody with this curve and these losses on training and held-out rows."""
    metrics = dict(zip(("train_loss", "log_loss"), losses, strict=True)) if losses else {}
    result = FoldResult(
        trial_id="a", fold=0, state=State.FINISHED, metrics=metrics, epochs=3, seconds=0.1
    )
    return Patient(curve=curve, sign=sign, results=[result], scores=scores, tied=tied, guess=guess)


def found(who: Patient, *others: Patient) -> tuple[Diagnosis, ...]:
    """What is found of the one, the first of the others being the best."""
    everyone = [*others, who] if others else [who]
    return diagnose(everyone, len(everyone) - 1, rope=0.01)


def test_the_healthy_have_nothing() -> None:
    """A curve that has come to rest, losses that agree, folds like those of others."""
    assert found(patient(0.5, 0.8, 0.9, 0.9, 0.905, 0.9, 0.9, 0.9, losses=(0.3, 0.32))) == ()
    assert found(patient()) == ()


def test_who_was_better_before_the_end_over_fits() -> None:
    """The epoch and both scores are told, as the metric has them."""
    (told,) = found(patient(0.5, 0.9, 0.8, 0.8, 0.7))
    assert told == Diagnosis("over-fitting", "best after epoch 2 of 5 (0.9), at the end 0.7")

    (told,) = found(patient(-5.0, -1.0, -2.0, -2.0, -3.0, sign=-1))
    assert told.evidence == "best after epoch 2 of 5 (1), at the end 3"


def test_who_fits_its_rows_alone_over_fits() -> None:
    """The loss on held-out rows is several times that on its own; small ones do not count."""
    (told,) = found(patient(losses=(0.01, 0.5)))

    assert told.verdict == "over-fitting"
    assert told.evidence == "log loss 0.01 on the training rows, 0.5 on the held-out ones"
    assert found(patient(losses=(0.001, 0.01))) == ()


def test_little_is_lost_where_nearly_all_held_out_rows_are_right() -> None:
    """A network of digits that is ten times as sure of its own rows is no worse for that."""
    sure = (0.0085, 0.0954)

    assert found(patient(losses=sure, guess=2.3)) == ()
    assert [each.verdict for each in found(patient(losses=sure))] == ["over-fitting"]
    assert [each.verdict for each in found(patient(losses=(0.1, 0.8), guess=2.3))] == [
        "over-fitting"
    ]


def test_who_guesses_is_named() -> None:
    """By both losses: one on held-out rows alone may come of learning by heart."""
    (told,) = found(patient(losses=(2.22, 2.24), guess=2.303))

    assert told == Diagnosis(
        "hardly better than guessing",
        "log loss 2.22 on its own training rows, 2.24 on held-out ones, where guessing has 2.3",
    )
    assert found(patient(losses=(1.9, 2.24), guess=2.303)) == ()
    assert found(patient(losses=(2.22, 2.24))) == ()


def test_who_cannot_learn_its_own_rows_under_fits() -> None:
    """Told only of those that are worse than the best beyond doubt."""
    best = patient(losses=(0.1, 0.15))
    (told,) = found(patient(losses=(0.68, 0.69), tied=False), best)

    assert told.verdict == "under-fitting"
    assert "0.68" in told.evidence
    assert "0.15" in told.evidence
    assert found(patient(losses=(0.68, 0.69)), best) == ()


def test_who_still_gets_better_has_not_converged() -> None:
    """The means of the last two quarters are compared."""
    (told,) = found(patient(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8))

    assert told == Diagnosis("not converged", "the last 2 epochs of 8 brought it from 0.55 to 0.75")


def test_who_spreads_far_more_than_the_others_is_unstable() -> None:
    """What all find hard on a fold does not count."""
    rng = np.random.default_rng(0)
    hard = rng.normal(0.8, 0.1, size=6)
    others = [patient(scores=tuple(hard + rng.normal(0, 0.01, 6))) for _ in range(4)]
    wild = patient(scores=tuple(hard + rng.normal(0, 0.2, 6)))

    (told,) = found(wild, *others)

    assert told.verdict == "unstable over folds"
    assert found(others[0], *others[1:]) == ()
