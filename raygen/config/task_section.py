"""What may stand below ``task``: what is to be learnt, and from which data."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field, model_validator

from raygen.config.section import (
    Columns,
    Conflict,
    Files,
    Metrics,
    Mode,
    Modes,
    Section,
    Text,
    refuse_secret,
)

PretrainedTask: TypeAlias = Literal[
    "TokenClassification",
    "CausalLM",
    "InstructionTuning",
    "Summarization",
    "SpeechRecognition",
    "PreferenceTuning",
    "Embedding",
]
TaskName: TypeAlias = Literal[
    "ImageClassification",
    "TabularClassification",
    "TabularRegression",
    "TextClassification",
    "Custom",
    PretrainedTask,
]
PRETRAINED_ONLY: tuple[str, ...] = get_args(PretrainedTask)
"""Tasks for which there is no network of layers, so that they need ``model.pretrained``."""
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
        refuse_secret("path", self.path)
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
