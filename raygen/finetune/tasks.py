"""Which tasks can a pretrained model be fine-tuned for?

A task is a row of ``FINETUNING``. Its fragments are modules whose functions are copied into the
program; together they must have ``load_data``, ``read_inputs``, ``row_lengths``, ``to_batch``,
``count_targets``, ``loss_sum``, ``predict_batch`` and ``print_predictions``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from raygen.config.schema import Experiment
from raygen.config.task_section import Dataset
from raygen.config.words import did_you_mean, listed
from raygen.errors import ConfigError
from raygen.finetune.pretrained import find_model
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
    """The lines of ``evaluate``, of a ``model``, ``inputs`` and their targets ``y``; empty for
    functions of ``raygen.tasks.fragments.metrics`` by the names of the metrics."""
    predictions: str = "print_predictions(predict(model, x, {}))"
    """The line of ``main`` that tells what is predicted for the rows ``x``."""
    base: str = "num_labels=len(CLASSES), pad_token_id=PAD"
    """Further arguments of ``from_pretrained``."""
    sequences: int = 1
    """Rows of tokens that go through the model for a row of data."""
    processor: str = "AutoTokenizer"
    """Of transformers, what is written beside a merged model."""
    unused: tuple[str, ...] = ()
    """Training settings that mean nothing for it."""
    whole_batches: bool = False
    """Whether the rows of a batch must go through the model together, on one process."""
    refuses: tuple[str, ...] = ()
    """Methods that cannot train it."""
    instead: tuple[tuple[Callable[[Dataset, Mapping[str, Any]], bool], str], ...] = ()
    """Rows of ``VARIANTS`` for some columns, or some models by their config.json."""


_OF_CLASSES: dict[str, Mode] = {
    name: METRICS[name] for name in ("accuracy", "balanced_accuracy", "macro_f1", "auc", "log_loss")
}

_OF_PROMPTS = ("prompt", "prefix", "p-tuning")
_OF_TOKENS: dict[str, Mode] = {"log_loss": "min", "perplexity": "min"}
_OF_SUMMARIES: dict[str, Mode] = {
    "rouge_l": "max",
    "rouge_1": "max",
    "rouge_2": "max",
    "log_loss": "min",
    "perplexity": "min",
}
_WRITES = (f"{_FRAGMENTS}.next_token", f"{_FRAGMENTS}.mean_loss", f"{_FRAGMENTS}.told_texts")
_PROMPTED = """\
asked, right = prompts_only(inputs, y)[:SCORED_ROWS], y[:SCORED_ROWS]
p = predict(model, asked, {})
return rouge_scores(right, p) | loss_scores(model, inputs, y)"""
_DECODED = """\
p = predict(model, inputs[:SCORED_ROWS], {})
return rouge_scores(y[:SCORED_ROWS], p) | loss_scores(model, inputs, y)"""


def _of_messages(dataset: Dataset, config: Mapping[str, Any]) -> bool:
    return dataset.messages is not None


def _has_encoder(dataset: Dataset, config: Mapping[str, Any]) -> bool:
    return bool(config.get("is_encoder_decoder")) or config["model_type"] == "encoder-decoder"


def _has_no_decoder(dataset: Dataset, config: Mapping[str, Any]) -> bool:
    return not _has_encoder(dataset, config)


_INSTRUCTIONS = FinetuningTask(
    auto_class="AutoModelForCausalLM",
    task_type="CAUSAL_LM",
    kind="prompts",
    targets="none",
    fragments=(
        f"{_FRAGMENTS}.instructions",
        f"{_FRAGMENTS}.prompts_and_answers",
        f"{_FRAGMENTS}.token_rows",
    ),
    outputs=_WRITES,
    metrics=_OF_TOKENS,
    scores="return loss_scores(model, inputs, y)",
    base="",
    unused=("label_smoothing",),
    instead=((_of_messages, "messages"),),
)
_SUMMARIES = replace(
    _INSTRUCTIONS,
    kind="documents",
    fragments=(
        f"{_FRAGMENTS}.summaries",
        f"{_FRAGMENTS}.summaries_prompted",
        *_INSTRUCTIONS.fragments[1:],
    ),
    outputs=(*_WRITES, f"{_FRAGMENTS}.rouge"),
    metrics=_OF_SUMMARIES,
    scores=_PROMPTED,
    instead=((_has_encoder, "text to text"),),
)
_SPEECH = FinetuningTask(
    auto_class="AutoModelForSpeechSeq2Seq",
    task_type="",
    kind="speech to write",
    targets="none",
    fragments=(f"{_FRAGMENTS}.sounds", f"{_FRAGMENTS}.sounds_as_spectra"),
    outputs=(f"{_FRAGMENTS}.transcribed", f"{_FRAGMENTS}.spoken"),
    metrics={"wer": "min", "cer": "min"},
    scores="return speech_scores(y, predict(model, inputs, {}))",
    base="",
    processor="AutoProcessor",
    unused=("label_smoothing",),
    refuses=_OF_PROMPTS,
    instead=((_has_no_decoder, "alignment"),),
)
VARIANTS: Mapping[str, FinetuningTask] = {
    "messages": replace(
        _INSTRUCTIONS,
        kind="conversations",
        fragments=(f"{_FRAGMENTS}.conversations", *_INSTRUCTIONS.fragments[1:]),
    ),
    "text to text": replace(
        _SUMMARIES,
        auto_class="AutoModelForSeq2SeqLM",
        task_type="SEQ_2_SEQ_LM",
        kind="documents to encode",
        fragments=(
            f"{_FRAGMENTS}.summaries",
            f"{_FRAGMENTS}.text_to_text",
            f"{_FRAGMENTS}.token_rows",
        ),
        outputs=(
            f"{_FRAGMENTS}.decoded",
            f"{_FRAGMENTS}.mean_loss",
            f"{_FRAGMENTS}.told_texts",
            f"{_FRAGMENTS}.rouge",
        ),
        scores=_DECODED,
    ),
    "alignment": replace(
        _SPEECH,
        auto_class="AutoModelForCTC",
        kind="speech to align",
        fragments=(f"{_FRAGMENTS}.sounds", f"{_FRAGMENTS}.sounds_as_waves"),
        outputs=(f"{_FRAGMENTS}.aligned", f"{_FRAGMENTS}.spoken"),
        base='ctc_loss_reduction="sum", ctc_zero_infinity=True',
    ),
}
"""What stands in for a task where columns or models are of another kind."""

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
        scores="return entity_scores(y, predict(model, inputs, {}))",
        predictions="print_predictions(predict(model, x, {}), x)",
    ),
    "CausalLM": replace(
        _INSTRUCTIONS,
        kind="running text",
        fragments=(f"{_FRAGMENTS}.text_blocks", f"{_FRAGMENTS}.token_rows"),
        instead=(),
    ),
    "InstructionTuning": _INSTRUCTIONS,
    "Summarization": _SUMMARIES,
    "SpeechRecognition": _SPEECH,
    "Embedding": FinetuningTask(
        sequences=2,
        auto_class="AutoModel",
        task_type="FEATURE_EXTRACTION",
        kind="related texts",
        targets="none",
        fragments=(f"{_FRAGMENTS}.related_texts",),
        outputs=(f"{_FRAGMENTS}.embeddings",),
        metrics={"recall_at_1": "max", "mrr": "max"},
        scores="return retrieval_scores(predict(model, inputs, {}))",
        base="",
        unused=("label_smoothing",),
        refuses=("head-only",),
        whole_batches=True,
    ),
    "ImageClassification": FinetuningTask(
        auto_class="AutoModelForImageClassification",
        task_type="",
        kind="images",
        targets="class",
        fragments=(f"{_FRAGMENTS}.pixels",),
        outputs=(f"{_FRAGMENTS}.classes",),
        metrics=_OF_CLASSES,
        scores="",
        base="num_labels=len(CLASSES), ignore_mismatched_sizes=True",
        processor="AutoImageProcessor",
        refuses=(*_OF_PROMPTS, "adapter"),
    ),
    "PreferenceTuning": replace(
        _INSTRUCTIONS,
        kind="preferences",
        sequences=2,
        fragments=(
            f"{_FRAGMENTS}.preferences",
            f"{_FRAGMENTS}.prompts_and_answers",
            f"{_FRAGMENTS}.pairs_of_answers",
        ),
        outputs=(f"{_FRAGMENTS}.preferred",),
        metrics={"reward_accuracy": "max", "dpo_loss": "min"},
        scores="return preference_scores(y, predict(model, inputs, {}))",
        instead=(),
    ),
}
"""Every task that can be fine-tuned, by its name in the YAML."""


def finetuning_task(experiment: Experiment) -> FinetuningTask:
    """The row of an experiment's task that fits its columns and its model.

    Raises:
        ConfigError: There is no such model.
        DataError: The model cannot be read.
    """
    task, method = FINETUNING[experiment.task.name], experiment.model.method
    if method in task.refuses:
        raise ConfigError(
            f"{method} given",
            where=experiment.origin.where("model.method"),
            must=f"{experiment.task.name} has no such method",
            remedy="write lora",
        )
    if task.whole_batches and experiment.resources.grouped:
        raise ConfigError(
            f"{experiment.resources.workers[1]} workers given",
            where=experiment.origin.where("resources.workers_per_trial"),
            must="a batch must go through the model as a whole, since its rows are compared",
            remedy="write workers_per_trial: 1",
        )
    if task.whole_batches and "micro_batch" in experiment.model.training:
        raise ConfigError(
            f"{experiment.model.training['micro_batch']} given",
            where=experiment.origin.where("model.training.micro_batch"),
            must="it must be the batch, whose rows are compared with each other",
            remedy="remove it, and write batch_size",
        )
    if not task.instead:
        return task
    where = experiment.origin.where("model.pretrained")
    folder = find_model(str(experiment.model.pretrained), where=where)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rows = experiment.task.rows
    return next((VARIANTS[name] for fits, name in task.instead if fits(rows, config)), task)


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
