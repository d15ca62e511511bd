"""What is wrong with the rows that all candidates learn from? Looked at once, without a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

import numpy as np

from raygen.data.spec import DataSpec
from raygen.execute.arrays import map_arrays, share_arrays
from raygen.execute.reading import Reading
from raygen.execute.run import Run
from raygen.rank.amount import rare_classes, too_few_rows
from raygen.rank.diagnosis import Diagnosis
from raygen.rank.duplicates import duplicates
from raygen.rank.label_noise import label_noise
from raygen.rank.rows import Rows, folds_of
from raygen.rank.table_columns import groups, leak
from raygen.rank.value_noise import value_noise
from raygen.source.render import Blueprint

_MOST_ROWS = 2000
"""Rows that the simple learner sees, so that it takes seconds."""
_MOST_COUNTED = 200_000
"""Rows that duplicates and groups are looked for in."""


@contextmanager
def checking_rows(run: Run) -> Iterator[None]:
    """Look for what is wrong with the training rows while the block trains on them.

    It is recorded when the block ends, unless that was done before or the run is interrupted.
    Only of networks that are built here: what a pretrained model reads are numbers of its own
    tokens, and the rows of a program of the user's own are not known.
    """
    blueprint = run.blueprint
    if run.history.data is not None or not isinstance(blueprint, Blueprint):
        yield
        return
    import ray

    fold = folds_of(blueprint.split, run.rows()["y"], blueprint.folds)
    check = ray.remote(_diagnose).options(num_cpus=0)  # a few seconds beside the trainings
    found = check.remote(run.arrays, run.worker.data_key, fold, blueprint.spec, blueprint.folds)
    yield
    if not run.interruption:
        run.record("data", verdicts=[asdict(each) for each in ray.get(found)])


def _diagnose(
    given: Mapping[str, np.ndarray] | Reading,
    key: str,
    fold: np.ndarray,
    spec: DataSpec,
    folds: int,
) -> list[Diagnosis]:
    arrays = map_arrays(share_arrays(given, key)) if isinstance(given, Reading) else given
    rows = Rows(
        x=arrays["x"],
        y=arrays["y"],
        fold=fold,
        modality=spec.modality,
        regression=not spec.classes,
        names=(*spec.constants.get("NUMERIC", ()), *spec.constants.get("CATEGORIES", ())),
        num_categories=len(spec.constants.get("CATEGORIES", ())),
    )
    return diagnose_rows(rows, folds=folds, classes=spec.classes)


def diagnose_rows(rows: Rows, *, folds: int, classes: Sequence[str | int] = ()) -> list[Diagnosis]:
    """All that is wrong with the rows.

    Args:
        rows: The training rows, all of them; what needs a learner looks at a sample.
        folds: Of the ranking.
        classes: The labels, by their class number.
    """
    counted, sample = rows.sample(_MOST_COUNTED), rows.sample(_MOST_ROWS)
    tied = groups(counted, _MOST_ROWS)
    found = (
        duplicates(counted),
        leak(sample),
        tied,
        label_noise(sample),
        value_noise(sample),
        # more rows of groups that folds part would always help
        None if tied else too_few_rows(sample, whole=sample is rows),
        rare_classes(rows, folds, classes),
    )
    return [each for each in found if each is not None]
