"""What may stand in a config file: one typed section for each section of the YAML.

The text under each key is its documentation: ``docs/config.md`` and the JSON Schema show it.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from raygen.config.origin import Origin
from raygen.config.words import Words
from raygen.uris import file_name, is_uri, secret_in, without_secret

TaskName: TypeAlias = Literal[
    "ImageClassification",
    "TabularClassification",
    "TabularRegression",
    "TextClassification",
    "Custom",
    "TokenClassification",
    "CausalLM",
    "InstructionTuning",
    "Summarization",
    "SpeechRecognition",
    "PreferenceTuning",
    "Embedding",
]
PRETRAINED_ONLY = (
    "TokenClassification",
    "CausalLM",
    "InstructionTuning",
    "Summarization",
    "SpeechRecognition",
    "PreferenceTuning",
    "Embedding",
)
"""Tasks for which there is no network of layers, so that they need ``model.pretrained``."""

MethodName: TypeAlias = Literal[
    "full",
    "head-only",
    "lora",
    "dora",
    "adalora",
    "qlora",
    "ia3",
    "prompt",
    "prefix",
    "p-tuning",
    "adapter",
]

_OF_TEXTS = (
    "TextClassification",
    "TokenClassification",
    "CausalLM",
    "InstructionTuning",
    "Summarization",
    "PreferenceTuning",
    "Embedding",
)
DATASET_KEYS: dict[str, tuple[str, ...]] = {
    "target": (
        "ImageClassification",
        "TabularClassification",
        "TabularRegression",
        "TextClassification",
    ),
    "image": ("ImageClassification",),
    "image_size": ("ImageClassification",),
    "text": ("TextClassification", "CausalLM"),
    "tokens": ("TokenClassification",),
    "tags": ("TokenClassification",),
    "prompt": ("InstructionTuning", "PreferenceTuning"),
    "answer": ("InstructionTuning",),
    "messages": ("InstructionTuning",),
    "document": ("Summarization",),
    "summary": ("Summarization",),
    "audio": ("SpeechRecognition",),
    "transcript": ("SpeechRecognition",),
    "chosen": ("PreferenceTuning",),
    "rejected": ("PreferenceTuning",),
    "anchor": ("Embedding",),
    "positive": ("Embedding",),
    "negative": ("Embedding",),
    "max_length": _OF_TEXTS,
    "streamed": _OF_TEXTS,
    "ignore": ("TabularClassification", "TabularRegression"),
}
"""Keys of ``task.dataset`` that mean something for some tasks only, and for which."""


class Conflict(ValueError):
    """Two keys, or a key and its value, do not go together."""

    def __init__(self, key: str, problem: str, must: str, remedy: str = "") -> None:
        self.key, self.problem, self.must, self.remedy = key, problem, must, remedy
        super().__init__(problem)


def parse_duration(value: object) -> object:
    """Turn ``30m``, ``90s``, ``2h`` or a number of seconds into seconds; leave others alone."""
    match = (
        re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", value) if isinstance(value, str) else None
    )
    return number(value) if match is None else float(match[1]) * _UNITS[match[2]]


def format_duration(seconds: float) -> str:
    """Turn seconds into the shortest text with whole units: 1800 -> ``30m``."""
    for unit in ("h", "m"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{int(seconds) if seconds == int(seconds) else seconds}s"


def number(value: object) -> object:
    """Turn a text such as ``1e-3``, which most YAML readers leave a text, into a number."""
    is_power = isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value)
    return float(str(value)) if is_power else value


def freeze(value: Any) -> Any:
    """Turn the lists in nested plain data into tuples."""
    if isinstance(value, dict):
        return {key: freeze(item) for key, item in value.items()}
    return tuple(freeze(item) for item in value) if isinstance(value, (list, tuple)) else value


def listed_once(value: Any) -> Any:
    """Take a single text or mapping as a list of one."""
    if isinstance(value, (str, dict)):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Text: TypeAlias = Annotated[str, Field(min_length=1)]
Number: TypeAlias = Annotated[float, BeforeValidator(number), Field(allow_inf_nan=False)]
Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    Field(gt=0, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[smhd]\s*$"},
            ]
        }
    ),
    Words("a duration such as 30m, 90s or 2h, or a number of seconds above 0"),
]
Columns: TypeAlias = Annotated[
    tuple[Text, ...], BeforeValidator(freeze), Words("a list of column names")
]
OwnSplit: TypeAlias = Annotated[
    str, Field(pattern=r"\.py:[A-Za-z_]\w*$"), Words("a function such as my_splits.py:split")
]
Conditions: TypeAlias = Annotated[
    tuple[Text, ...], BeforeValidator(freeze), Words("a list of conditions such as `width <= 64`")
]
Known: TypeAlias = Annotated[
    tuple[Text | dict[str, Any], ...],
    BeforeValidator(listed_once),
    Words("a list of folders, storages and mappings of values"),
]
Files: TypeAlias = Annotated[
    tuple[Text, ...],
    Field(min_length=1),
    BeforeValidator(freeze),
    Words("a list of paths of model.py files"),
]
Metrics: TypeAlias = Annotated[
    Text | tuple[Text, ...], BeforeValidator(freeze), Words("a name or a list of names")
]
Mode: TypeAlias = Literal["max", "min"]
Modes: TypeAlias = Annotated[
    Mode | tuple[Mode, ...], BeforeValidator(freeze), Words("max or min, or a list of them")
]
Layers: TypeAlias = Annotated[tuple[Any, ...], BeforeValidator(freeze), Words("a list of layers")]
Values: TypeAlias = Annotated[dict[str, Any], BeforeValidator(freeze)]
AtLeastOne: TypeAlias = Annotated[int, Field(ge=1)]
Workers: TypeAlias = Annotated[
    AtLeastOne | tuple[AtLeastOne, AtLeastOne],
    BeforeValidator(freeze),
    Words("a whole number of at least 1, or a list of the fewest and the most"),
]


class Section(BaseModel):
    """A mapping of the YAML: no key but the known ones, no silent change of type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


def section_of(annotation: Any) -> type[Section] | None:
    """Give the section that a key holds, which may also be left out; None if it holds none."""
    kinds = (annotation, *get_args(annotation))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, Section)), None)


class Dataset(Section):
    """Where the rows come from, and which are for training and which for the test."""

    name: Text | None = None
    """A bundled set, or one of the Hugging Face hub. Bundled are digits, iris, wine, breast_cancer
    and diabetes; on the hub are cifar10, ag_news and any `owner/name`. Either `name` or `path` must
    be given."""
    path: Annotated[Text, Field(examples=["s3://bucket/flowers.npz"])] | None = None
    """A file (npz, csv, parquet; beside `model.pretrained` csv, jsonl or parquet, or for CausalLM
    txt), or a folder with one folder of images for each class; or the URI of one on s3, gs, az,
    hdfs, https or another store that fsspec knows, of which each machine keeps a copy."""
    target: Text | None = None
    """Column to predict, where the data has columns."""
    text: Text | None = None
    """Column with the text; TextClassification and CausalLM only."""
    image: Text | None = None
    """Column with the encoded images; ImageClassification only."""
    tokens: Text | None = None
    """Column with the words of each row, a list; TokenClassification only."""
    tags: Text | None = None
    """Column with a tag for each word, such as B-PER; TokenClassification only."""
    prompt: Text | None = None
    """Column with what is asked; InstructionTuning and PreferenceTuning only."""
    answer: Text | None = None
    """Column with what shall be answered; InstructionTuning only."""
    messages: Text | None = None
    """Column with conversations, lists of `{role, content}`, whose last message is learnt;
    InstructionTuning only."""
    document: Text | None = None
    """Column with the long text; Summarization only."""
    summary: Text | None = None
    """Column with the short text, or a list of several of which the first is learnt;
    Summarization only."""
    audio: Text | None = None
    """Column with sounds: paths of wav files from the folder of the table, or their bytes;
    SpeechRecognition only."""
    transcript: Text | None = None
    """Column with what is said; SpeechRecognition only."""
    chosen: Text | None = None
    """Column with the better answer; PreferenceTuning only."""
    rejected: Text | None = None
    """Column with the worse answer; PreferenceTuning only."""
    anchor: Text | None = None
    """Column with the text that finds, such as a question; Embedding only."""
    positive: Text | None = None
    """Column with the text that shall be found; Embedding only."""
    negative: Text | None = None
    """Column with a text that shall not be found, if there is one; Embedding only."""
    train_split: Text | None = None
    """Split to train on; several are joined by `+`, for example `train+dev`."""
    test_split: Text | None = None
    """Split kept for the test; without one, a fifth of the rows is dealt out."""
    image_size: Annotated[int, Field(ge=4, le=1024)] | None = None
    """Side in pixels to which images of different sizes are brought; ImageClassification only."""
    max_length: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Tokens kept of each text; by default as many as 95 of 100 texts have, or beside
    `model.pretrained` as many as the longest has and the model takes."""
    streamed: bool = False
    """Whether a table is read in parts and its tokens stay on the disk, mapped into memory: for
    one that does not fit. Only csv, jsonl and parquet files beside `model.pretrained`."""
    ignore: Columns = ()
    """Columns left out, such as row numbers."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Dataset:
        if self.name is not None and self.path is not None:
            raise Conflict("path", "name and path given", "one of them must be given", "remove one")
        if self.name is None and self.path is None:
            must = "one of them must be given"
            raise Conflict("", "neither name nor path given", must, "for example `name: digits`")
        _refuse_secret("path", self.path)
        return self


class Task(Section):
    """What is to be learnt, from which data, and how it is scored."""

    name: Annotated[TaskName, Field(examples=["ImageClassification"])]
    """What kind of problem it is."""
    dataset: Annotated[Dataset | None, Field(examples=["{name: digits}"])] = None
    """The data; must be given for all tasks but Custom, which reads its own."""
    objective: Annotated[Text | None, Field(examples=["train.py:train"])] = None
    """Custom only: a function of your own, as `path/to/file.py:function`. It is called with the
    parameters, and with `report` and `resume` if it has arguments of these names."""
    command: Annotated[Text | None, Field(examples=["python train.py --lr {lr}"])] = None
    """Custom only: a command of your own, with `{parameter}` for values, that prints its metrics as
    lines of JSON. It is started without a shell."""
    files: Annotated[Files | None, Field(examples=["[a/model.py, b/model.py]"])] = None
    """Custom only: programs as RayGen writes them, perhaps changed by hand, that are compared as
    they are; `raygen rank a/model.py b/model.py` does that without a config."""
    folder: Text | None = None
    """Custom only: where the file of the objective and the files lie and the command runs. By
    default the folder of the config."""
    metric: Metrics | None = None
    """Score to search and rank by; its direction is known. By default the usual one of the task;
    for Custom it must be given. With a list the search is for a Pareto front, and the first ranks;
    `num_parameters` and `seconds` may follow a score."""
    mode: Modes | None = None
    """Custom only: whether more or less of the metric is better. By default min for names such as
    loss, error or rmse."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names in ``metric``; none if it is not given."""
        return (self.metric,) if isinstance(self.metric, str) else self.metric or ()

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The directions in ``mode``; none if it is not given."""
        return (self.mode,) if isinstance(self.mode, str) else self.mode or ()

    @property
    def rows(self) -> Dataset:
        """The data of a task that has some."""
        assert self.dataset is not None, "only Custom has no data set, and does not ask for one"
        return self.dataset

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Task:
        if self.name != "Custom":
            for key in ("objective", "command", "files", "folder", "mode"):
                if getattr(self, key) is not None:
                    must = "only a Custom task may have it"
                    raise Conflict(key, f"given for {self.name}", must, "remove it")
            if self.dataset is None:
                own = [
                    k for k in Dataset.model_fields if self.name in DATASET_KEYS.get(k, [self.name])
                ]
                must = f"it must be a mapping with the keys {', '.join(own)}"
                raise Conflict("dataset", "missing", must, "for example `dataset: {name: digits}`")
            return self
        if self.dataset is not None:
            must = "a Custom task reads its own data"
            raise Conflict("dataset", "given for Custom", must, "remove it")
        programs = {key: getattr(self, key) for key in ("objective", "command", "files")}
        there = [key for key, program in programs.items() if program is not None]
        if len(there) != 1:
            given = "both" if there == ["objective", "command"] else " and ".join(there)
            given = given or "neither objective nor command"
            must = "a Custom task must have either an `objective` or a `command`"
            must += ", or `files`" if "files" in there else ""
            key = there[-1] if there else ""
            raise Conflict(key, f"{given} given", must, "for example `objective: train.py:train`")
        return self

    @model_validator(mode="after")
    def _uses_every_key(self) -> Task:
        for key, tasks in DATASET_KEYS.items():
            if getattr(self.dataset, key, None) and self.name not in tasks:
                must = f"only {' and '.join(tasks)} may have it"
                raise Conflict(f"dataset.{key}", f"given for {self.name}", must, "remove it")
        return self


class Model(Section):
    """What is searched: a shipped space, a file, layers, or the tuning of a pretrained model."""

    space: Text | None = None
    """A shipped space (`raygen spaces` lists them) or a YAML file. By default that of the task."""
    layers: Layers | None = None
    """The layers, written here instead of `space`; see [Spaces](#spaces)."""
    pretrained: Text | None = None
    """A pretrained model to fine-tune instead of `space` and `layers`: a folder as transformers
    writes it, or a name of the Hugging Face hub; see [Fine-tuning](#fine-tuning)."""
    method: MethodName | None = None
    """What is trained of a pretrained model: all of it, or a few weights put into it; by default
    lora."""
    lora: Values = {}
    """Settings of the method lora."""
    dora: Values = {}
    """Settings of the method dora."""
    adalora: Values = {}
    """Settings of the method adalora."""
    qlora: Values = {}
    """Settings of the method qlora."""
    ia3: Values = {}
    """Settings of the method ia3."""
    prompt: Values = {}
    """Settings of the method prompt."""
    prefix: Values = {}
    """Settings of the method prefix."""
    p_tuning: Values = {}
    """Settings of the method p-tuning."""
    adapter: Values = {}
    """Settings of the method adapter."""
    training: Values = {}
    """Training settings that are fixed or given as `$parameter`; beside `space` they take the place
    of its settings of the same name."""
    parameters: Values = {}
    """The open parameters and their ranges; beside `space` they take the place of its parameters of
    the same name."""

    @model_validator(mode="after")
    def _has_one_structure(self) -> Model:
        if self.space is not None and self.layers is not None:
            must = "one of them must be given"
            raise Conflict("layers", "space and layers given", must, "remove one")
        if self.layers == ():
            raise Conflict("layers", "[] given", "a model must have at least one layer")
        return self

    @model_validator(mode="after")
    def _has_one_method(self) -> Model:
        given = [key for key in METHOD_KEYS.values() if getattr(self, key)]
        if self.pretrained is None:
            for key in ("method", *given):
                if getattr(self, key):
                    must = "only beside `pretrained` it means something"
                    raise Conflict(key, "given without `pretrained`", must, "name a model")
            return self
        for key in ("space", "layers"):
            if getattr(self, key) is not None:
                must = "one of them must be given"
                raise Conflict(key, f"pretrained and {key} given", must, "remove one")
        chosen = METHOD_KEYS.get(self.method or "lora", "")
        for key in given:
            if key != chosen:
                method = self.method or "lora"
                must = f"only settings of the chosen method, {method}, may be given"
                raise Conflict(key, f"given beside method: {method}", must, "remove it")
        return self

    @property
    def method_settings(self) -> dict[str, Any]:
        """What is given below the key of the chosen method."""
        key = METHOD_KEYS.get(self.method or "lora", "")
        return dict(getattr(self, key)) if key else {}


METHOD_KEYS = {
    name: name.replace("-", "_")
    for name in get_args(MethodName)
    if name not in ("full", "head-only")
}
"""The key below ``model`` that holds the settings of a method, for those that have some."""


class Search(Section):
    """How candidates are found and how long they train."""

    algorithm: Literal[
        "random",
        "grid",
        "sobol",
        "hyperopt",
        "hyperopt-adaptive",
        "hyperopt-anneal",
        "skopt-gp",
        "skopt-trees",
        "skopt-boosting",
        "bayesopt",
        "optuna-tpe",
        "optuna-gp",
        "optuna-cmaes",
        "optuna-nsga2",
        "optuna-nsga3",
        "evolution",
        "reinforce",
        "bohb",
        "gp",
        "auto",
    ] = "auto"
    """Who proposes the candidates."""
    scheduler: Literal[
        "fifo",
        "asha",
        "asha-promote",
        "hyperband",
        "bohb",
        "median",
        "pbt",
        "pb2",
        "extrapolate",
        "resources",
    ] = "asha"
    """Who stops the weak ones early; fifo stops none."""
    acquisition: Text | None = None
    """How a model of the scores chooses: EI, LCB, PI, hedge or UCB, where the algorithm has it."""
    trials: Annotated[int, Field(ge=1)] | None = 20
    """Candidates to try, those of earlier sessions included; `null` for no limit."""
    max_epochs: Annotated[int, Field(ge=1)] = 20
    """Epochs of a candidate that is never stopped; beside `model.pretrained` 3 by default."""
    time_budget: Duration | None = 30 * 60.0
    """Time after which no new trial begins; `null` for no limit."""
    total_epochs: Annotated[int, Field(ge=1)] | None = None
    """Epochs of all trials together after which no new trial begins."""
    target: Number | None = None
    """Score at which the search ends; of the first metric."""
    plateau: Annotated[int, Field(ge=1)] | None = None
    """The search ends when so many trials in a row brought no better score."""
    repeats: Annotated[int, Field(ge=1)] = 1
    """How often each candidate is trained, each time with another seed; searched by the mean."""
    constraints: Conditions = ()
    """What must hold of a candidate before it is trained, such as `width * depth <= 512` or
    `num_parameters <= 1e6`."""
    evaluate: Literal["fold", "folds"] = "fold"
    """What a trial is scored by: one fold (fold), or the mean of all `rank.folds` times
    `rank.repeats`, one after the other (folds), which the ranking takes over; for fifo alone."""
    start_from: Known = ()
    """What is known already: folders of RayGen or Ray Tune runs, storages of Optuna studies, or
    mappings of values, which are tried first."""
    hang_timeout: Duration = 10 * 60.0
    """Time without a sign of life after which a trial counts as hung."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a trial whose process died is tried again."""


class Rank(Section):
    """How the best candidates are compared."""

    top: Annotated[int, Field(ge=1)] = 3
    """Candidates that are cross-validated."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the cross-validation."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    """How often the rows, or the groups, are dealt anew into folds; each candidate is scored
    `folds` times `repeats`."""
    split: (
        Literal["stratified", "grouped", "leave-one-group-out", "ordered", "column"] | OwnSplit
    ) = "stratified"
    """How rows are dealt into folds: with their share of every class or value; whole groups
    together; each group a fold of its own; each fold after those it trains on; as a column says;
    or by a function of yours, `my_splits.py:split`. Those of a column need `by` and a table."""
    by: Text | None = None
    """Column of the groups, of the order (such as a date) or of the folds; it is no input then."""
    window: Annotated[int, Field(ge=1)] | None = None
    """Of rows in order, how many a fold trains on at most, the last ones; all by default."""
    gap: Annotated[int, Field(ge=0)] = 0
    """Of rows in order, how many lie unused between those that train and those held out."""
    method: Literal["full", "race"] = "full"
    """Whether all candidates are trained on all folds (full), or a candidate is stopped when the
    folds that are left would hardly bring it to the front (race)."""
    choose: Literal["mean", "simplest-tied", "fastest-tied", "aicc-tied", "one-error"] = "mean"
    """Who wins: the best mean; of those that cannot be told from it, the one with the fewest
    parameters, the lowest latency or the lowest AICc; or the simplest within one standard error
    of it."""
    seeds: Annotated[int, Field(ge=1, le=100)] = 1
    """How often the chosen candidate is trained on each fold, each time with other first weights,
    to tell how much of the spread over the folds is chance."""
    rope: Annotated[Number, Field(ge=0)] | None = None
    """Difference of two scores that makes none in practice. By default a hundredth of the best
    mean."""
    ensemble: Literal["none", "greedy", "folds"] = "greedy"
    """Which networks predict together, as a row of their own and as `best/ensemble.py`: those
    candidates that are best together by their held-out rows (greedy), or the chosen one trained
    once without each fold, which takes so many trainings and which the test rows alone can score
    (folds)."""
    nested: bool = False
    """Whether search and ranking are done once more for each fold, on the rows of the others
    alone, to tell what they come to on rows that no step of them has seen."""

    @model_validator(mode="after")
    def _has_a_column_to_split_by(self) -> Rank:
        needs_none = self.split == "stratified" or self.function
        if (self.by is None) != bool(needs_none):
            problem = f"split {self.split} given, {'no' if self.by is None else 'and'} by"
            must = (
                "grouped, leave-one-group-out, ordered and column need the name of a column, "
                "stratified and a function have none"
            )
            raise Conflict("by", problem, must)
        if self.repeats > 1 and self.split not in ("stratified", "grouped"):
            must = "only stratified and grouped folds can be dealt anew"
            raise Conflict("repeats", f"{self.repeats} given, and split {self.split}", must)
        for key, usual in (("window", None), ("gap", 0)):
            if getattr(self, key) != usual and self.split != "ordered":
                given = f"{getattr(self, key)} given, and split {self.split}"
                raise Conflict(key, given, "only rows in order have one", "write split: ordered")
        if self.nested and self.split != "stratified":
            must = "the rows of a part must be dealt anew, which a column or a function cannot do"
            given = f"true given, and split {self.split}"
            raise Conflict("nested", given, must, "write split: stratified")
        return self

    @property
    def function(self) -> str:
        """The function that deals the rows, as ``path/to/file.py:function``; empty if none does."""
        return self.split if ".py:" in self.split else ""

    @property
    def scores(self) -> int:
        """How many scores a candidate gets: those of all folds of all repeats."""
        return self.folds * self.repeats


class Resources(Section):
    """What each trial gets of the machine."""

    cpus_per_trial: Annotated[int, Field(ge=1)] = 1
    """CPUs, and so threads, of a trial."""
    gpus_per_trial: Annotated[Number, Field(ge=0)] = 0.0
    """GPUs of a trial: a part of one, or a whole number; with 0 a trial sees none."""
    workers_per_trial: Workers = 1
    """Processes that train a trial together, each with its share of every batch; `[1, 4]` takes as
    many of 1 to 4 as there is room for when it starts."""
    cpus_per_worker: Annotated[int, Field(ge=1)] = 1
    """CPUs, and so threads, of each of these processes."""
    gpus_per_worker: Annotated[Number, Field(ge=0)] = 0.0
    """GPUs of each of these processes."""
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    """How they share a pretrained model: each has a copy (ddp) or a part of it (fsdp)."""
    memory_gb_per_trial: Annotated[Number, Field(gt=0)] | None = None
    """Memory in GB above which a trial is stopped; no limit by default."""
    disk_gb: Annotated[Number, Field(gt=0)] | None = None
    """Size in GB of the run's folder above which the run stops, keeping what is done; no limit by
    default. A run also stops before its disk is full."""
    gpu_memory_gb: Annotated[Number, Field(gt=0)] | None = None
    """Memory in GB of the GPU that a fine-tuning is meant for, to check it where there is none."""
    concurrent: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Trials at a time; auto: as many as the machine, or the cluster as it grows, has room for."""
    share: Annotated[Number, Field(gt=0)] = 1.0
    """Weight of this run among those on the same cluster: with 2 it gets twice the room of one
    with 1."""
    keep_checkpoints: Annotated[int, Field(ge=0)] = 0
    """Checkpoints that stay of the training on all rows, those of its newest epochs: the folders
    `kept-EPOCH` of the trial, each of which `python model.py --weights FOLDER` reads."""

    @property
    def workers(self) -> tuple[int, int]:
        """The fewest and the most processes of a trial."""
        given = self.workers_per_trial
        return (given, given) if isinstance(given, int) else given

    @property
    def grouped(self) -> bool:
        """Whether a trial is trained by several processes."""
        return self.workers[1] > 1

    @property
    def cpus(self) -> int:
        """CPUs, and so threads, of each process that trains."""
        return max(self.cpus_per_trial, self.cpus_per_worker)  # one of them is 1

    @property
    def gpus(self) -> float:
        """GPUs of each process that trains."""
        return max(self.gpus_per_trial, self.gpus_per_worker)  # one of them is 0

    @model_validator(mode="after")
    def _asks_for_whole_gpus(self) -> Resources:
        for key in ("gpus_per_trial", "gpus_per_worker"):
            given = getattr(self, key)
            if given > 1 and given % 1:
                must = "above 1 it must be a whole number"
                raise Conflict(key, f"{given} given", must)
        return self

    @model_validator(mode="after")
    def _speaks_of_trials_or_of_workers(self) -> Resources:
        fewest, most = self.workers
        if fewest > most:
            must = "the first must not be above the second"
            raise Conflict("workers_per_trial", f"[{fewest}, {most}] given", must)
        for kind, none in (("cpus", 1), ("gpus", 0)):
            key, other = f"{kind}_per_trial", f"{kind}_per_worker"
            if getattr(self, key) != none and (self.grouped or getattr(self, other) != none):
                beside = "workers_per_trial" if self.grouped else other
                remedy = f"write {other} alone"
                raise Conflict(
                    key, f"given beside {beside}", "each worker has its own share", remedy
                )
        if self.strategy != "auto" and not self.grouped:
            must = "it says how several workers share a model"
            remedy = "write workers_per_trial: 2, or remove it"
            raise Conflict("strategy", f"{self.strategy} given for one worker", must, remedy)
        return self


class Environment(Section):
    """Packages that a submitted run needs beside RayGen's; Ray installs them on each node."""

    pip: Text | None = Field(default=None, examples=["requirements.txt"])
    """A file of requirements, installed by pip beside what the cluster's own Python has."""
    uv: Text | None = Field(default=None, examples=["requirements.txt"])
    """The same, installed by uv."""
    conda: Text | None = Field(default=None, examples=["environment.yaml"])
    """A file of which conda makes an environment, RayGen included, or the name of one that all
    nodes have."""

    @model_validator(mode="before")
    @classmethod
    def _is_no_image(cls, given: Any) -> Any:
        """Refuse an image with the places where one works."""
        if isinstance(given, dict) and "image" in given:
            must = "Ray ships no files into an image of a job's own: it is an image of whole nodes"
            remedy = "name it in the cluster file: `docker:` of ray up, `image:` of kuberay"
            raise Conflict("image", "given", must, remedy)
        return given

    @model_validator(mode="after")
    def _is_one(self) -> Environment:
        given = [key for key in type(self).model_fields if getattr(self, key)]
        if len(given) > 1:
            raise Conflict(given[1], f"given beside {given[0]}", "there must be one of them")
        return self


class Experiment(Section):
    """The whole config file."""

    name: str = ""
    """Name of the run and of its folder `runs/<name>/`. By default that of the data set,
    or of the file of the objective."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Every random choice follows from it."""
    framework: Literal["torch", "tensorflow"] = "torch"
    """What `model.py` is written for: PyTorch or Keras on TensorFlow."""
    task: Annotated[Task, Field(examples=["{name: ImageClassification, dataset: {name: digits}}"])]
    """What is to be learnt."""
    model: Model = Field(default_factory=Model)
    """What is searched."""
    search: Search = Field(default_factory=Search)
    """How candidates are found."""
    rank: Rank = Field(default_factory=Rank)
    """How the best are compared."""
    resources: Resources = Field(default_factory=Resources)
    """What each trial gets."""
    environment: Environment = Field(default_factory=Environment)
    """Packages that `raygen submit` has installed for the run."""
    output: Text = "model.py"
    """File the winner is written to."""
    storage: Annotated[Text, Field(examples=["s3://bucket/runs"])] | None = None
    """URI of a folder to which the run's folder is copied every 10 seconds, and the newest
    checkpoint of what is not over for at most a fifth of the time; fsspec must know it. Where this
    machine has no folder of the run, it is taken from there."""
    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """Where each key is written."""
        return self._origin

    def written_in(self, origin: Origin) -> Experiment:
        """Give the same experiment with another origin."""
        copy = self.model_copy()
        copy._origin = origin
        return copy

    @model_validator(mode="before")
    @classmethod
    def _skip_empty_sections(cls, given: Any) -> Any:
        """Take `search:` with nothing below it as not given."""
        sections = ("model", "search", "rank", "resources", "environment")
        if not isinstance(given, dict):
            return given
        return {
            key: value for key, value in given.items() if key not in sections or value is not None
        }

    @model_validator(mode="after")
    def _has_usable_names(self) -> Experiment:
        if not self.name:
            # the one way to fill a default that depends on another key of a frozen model
            object.__setattr__(self, "name", _name_of(self.task))
        if not re.fullmatch(r"\w[\w.-]{0,99}", self.name):
            must = "it must be letters, digits, dots, dashes and underscores (a folder is named so)"
            raise Conflict("name", f"{self.name[:40]!r} given", must)
        if not self.output.endswith(".py"):
            raise Conflict("output", f"{self.output!r} given", "it must end in .py")
        return self

    @model_validator(mode="after")
    def _has_rows_to_nest(self) -> Experiment:
        if self.rank.nested and self.task.dataset is None:
            must = "only a data set has rows that can be kept from a search"
            raise Conflict("rank.nested", f"true given, and a {self.task.name} task", must)
        return self

    @model_validator(mode="after")
    def _holds_no_secret(self) -> Experiment:
        _refuse_secret("storage", self.storage)
        return self

    @model_validator(mode="after")
    def _has_a_model_for_its_task(self) -> Experiment:
        if self.model.pretrained is None:
            if self.task.name in PRETRAINED_ONLY:
                must = f"{self.task.name} must have a pretrained model"
                remedy = "write `pretrained:` with a folder or a name of the Hugging Face hub"
                raise Conflict("model.pretrained", "missing", must, remedy)
            return self
        if self.framework != "torch":
            must = "pretrained models are trained with torch"
            raise Conflict("framework", f"{self.framework} given", must, "remove it")
        if "max_epochs" not in self.search.model_fields_set:
            # as with the name: a default that depends on another key
            shorter = self.search.model_copy(update={"max_epochs": 3})
            object.__setattr__(self, "search", shorter)
        return self


def _refuse_secret(key: str, uri: str | None) -> None:
    """Refuse a URI that whoever reads the config, a program or a log could use."""
    if uri is not None and is_uri(uri) and (secret := secret_in(uri)):
        raise Conflict(
            key,
            f"a URI with {secret} given",
            "credentials must come from the environment, or from the files of the store's tools",
            f"write {without_secret(uri)}",
        )


def _name_of(task: Task) -> str:
    """Name a run by its data set or its program: ``data/fashion_mnist.npz`` -> fashion_mnist."""
    if task.files is not None:
        return "ranked"
    path = task.objective or _program_of(task.command)
    last = PurePath(path).stem
    if task.dataset is not None:
        last = (
            PurePath(file_name(task.dataset.path or "")).stem
            or (task.dataset.name or "").split("/")[-1]
        )
    return re.sub(r"[^\w.-]+", "-", last).strip("-.")[:100] or "run"


def _program_of(command: str | None) -> str:
    """The first word of a command that is the file of a program, else its first word."""
    words = [word.strip("'\"") for word in (command or "").split()] or [""]
    return next((word for word in words if PurePath(word).suffix in (".py", ".sh")), words[0])
