"""Which tasks can a pretrained model be fine-tuned for?

A task is a row of ``FINETUNING``. Its fragments are modules whose functions are copied into the
program; together they must have ``load_data``, ``read_inputs``, ``row_lengths``, ``to_batch``,
``count_targets``, ``loss_sum``, ``predict_batch`` and ``print_predictions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from raygen.config.words import did_you_mean, listed
from raygen.errors import ConfigError
from raygen.tasks.task import MEASURES, METRICS, Mode, Objective

_FRAGMENTS = "raygen.finetune.fragments"


@dataclass(frozen=True, kw_only=True)
class FinetuningTask:
    """One row of the table."""

    auto_class: str
    """Of transformers, which gives the model its head."""
    task_type: str
    """Of peft; empty where peft has none."""
    kind: str
    """What a row is: a key of ``raygen.finetune.input_kinds.KINDS``."""
    targets: Literal["class", "tags", "none"]
    """Whether targets are classes, lists of tags, or neither."""
    fragments: tuple[str, ...]
    """Modules whose functions stand in the program; the first reads the data."""
    outputs: tuple[str, ...]
    """Modules with the loss, the predictions and the scores."""
    metrics: Mapping[str, Mode]
    """Scores by name; the first is the usual one."""
    scores: str
    """The ``return`` of ``evaluate``, of the targets ``y`` and the predictions ``p``; empty for
    functions of ``raygen.tasks.fragments.metrics`` by the names of the metrics."""
    predictions: str = "print_predictions(predict(model, x, {}))"
    """The line of ``main`` that tells what is predicted for the rows ``x``."""
    base: str = "num_labels=len(CLASSES), pad_token_id=PAD"
    """Further arguments of ``from_pretrained``."""
    unused: tuple[str, ...] = ()
    """Training settings that mean nothing for it."""


_OF_CLASSES: dict[str, Mode] = {
    name: METRICS[name] for name in ("accuracy", "balanced_accuracy", "macro_f1", "auc", "log_loss")
}

FINETUNING: Mapping[str, FinetuningTask] = {
    "TextClassification": FinetuningTask(
        auto_class="AutoModelForSequenceClassification",
        task_type="SEQ_CLS",
        kind="labelled text",
        targets="class",
        fragments=(f"{_FRAGMENTS}.text_classification",),
        outputs=(f"{_FRAGMENTS}.classes",),
        metrics=_OF_CLASSES,
        scores="",
    ),
    "TokenClassification": FinetuningTask(
        auto_class="AutoModelForTokenClassification",
        task_type="TOKEN_CLS",
        kind="tagged words",
        targets="tags",
        fragments=(f"{_FRAGMENTS}.token_classification",),
        outputs=(f"{_FRAGMENTS}.entities",),
        metrics={
            "entity_f1": "max",
            "entity_precision": "max",
            "entity_recall": "max",
            "token_accuracy": "max",
        },
        scores="return entity_scores(y, p)",
        predictions="print_predictions(predict(model, x, {}), x)",
    ),
}
"""Every task that can be fine-tuned, by its name in the YAML."""


def finetuning_objectives(
    task_name: str, metrics: tuple[str, ...], *, where: str
) -> tuple[Objective, ...]:
    """What a run is searched by; the first is also what it is ranked by.

    Raises:
        ConfigError: The task is not scored by one of them, or one is given twice.
    """
    known = {**FINETUNING[task_name].metrics, **MEASURES}
    for name in metrics:
        if name not in known:
            raise ConfigError(
                f"{task_name} has no metric {name!r}",
                where=where,
                must=f"it must be one of {listed(known)}",
                remedy=did_you_mean(name, known),
            )
    if len(set(metrics)) < len(metrics):
        raise ConfigError("a metric given twice", where=where, must="metrics must differ")
    first = next(iter(known))
    if metrics and metrics[0] in MEASURES:
        must = "the first metric ranks the candidates, so it must be a score"
        raise ConfigError(
            f"{metrics[0]!r} given first", where=where, must=must, remedy=f"write {first} first"
        )
    return tuple(Objective(name, known[name]) for name in metrics or (first,))
