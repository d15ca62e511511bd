"""What can be written in a config file: every key told as a page, as JSON Schema and as a start.

``docs/config.md`` is ``config_reference()``, word for word.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from raygen.config import (
    model_section,
    rank_section,
    resources_section,
    schema,
    search_section,
    task_section,
)
from raygen.config.model_section import METHOD_KEYS, Model
from raygen.config.schema import Experiment
from raygen.config.section import format_duration, section_of
from raygen.config.task_section import DATASET_KEYS, PRETRAINED_ONLY, Dataset, Task, TaskName
from raygen.config.training import FINETUNE_SETTINGS, TRAINING_SETTINGS, TrainingSetting
from raygen.config.words import allowed, did_you_mean, listed, options, show
from raygen.errors import ConfigError

_SECTIONS = (
    task_section,
    model_section,
    search_section,
    rank_section,
    resources_section,
    schema,
)
_HEAD = """\
# The config file

Generated from `raygen/config/schema.py` and the sections beside it by
`raygen/config/reference.py`; do not edit.

This alone is a complete config; everything else has a default:

```yaml
task:
  name: ImageClassification
  dataset: {name: digits, train_split: train, test_split: test}
```

`raygen init TASK` writes a commented config, `raygen check FILE` checks one, and
`--set search.trials=8` replaces one key for one run.
Scalars are read as YAML 1.2 has them: `1e-3` is a number; only `true` and `false` are bools.
"""

_SPACES = """\
## Spaces

A space is a list of layers with open parameters, and the ranges of these parameters.
It is written below `model:`, or in a file with the keys `description`, `layers`, `training` and
`parameters`.

```yaml
model:
  layers:
    - repeat: $depth
      of: [{dense: {units: $width}}, {activation: {name: relu}}, {dropout: {rate: $dropout}}]
  training: {schedule: cosine, weight_decay: $decay}
  parameters:
    depth: {int: [1, 4]}
    width: {choice: [64, 128, 256]}
    dropout: {float: [0.0, 0.5]}
    decay: {float: [1e-5, 1e-1], log: true, changes: training}
    optimizer: {choice: [adamw, sgd]}
    momentum: {float: [0.5, 0.95], when: {optimizer: sgd}}
```

A value in `layers` and `training` may be `$name` or `$name * number`; there are no other
expressions.
Every name must be a parameter, and every parameter must be used: named by a `$`, named like a
training setting, or asked for by the condition of one that is used.

Beside `space:`, `training` and `parameters` take the place of those of the space.
A range written without `changes` or `when` keeps those of the parameter it replaces.

### Parameters

| range | meaning |
|---|---|
| `{float: [low, high]}` | a number; both ends are included |
| `{int: [low, high]}` | a whole number; both ends are included |
| `{choice: [a, b, c]}` | one of the options: numbers, texts or bools |
| `3` | fixed |

| further key | meaning |
|---|---|
| `log: true` | each power of ten is as likely as the next; `low` must be above 0 |
| `step: 0.1` | only `low`, `low + step`, ...; not together with `log` |
| `changes: architecture` | another value makes another network; the default |
| `changes: training` | another value trains the same network otherwise; the default for `dropout` \
and the training settings |
| `when: {optimizer: sgd}` | active only while the other parameter has this value; `[a, b]` for \
several |

### Training settings

A parameter of one of these names tunes it, `training:` fixes it.

| setting | value | default | meaning |
|---|---|---|---|
"""


_FINETUNING = """\
## Fine-tuning

With `model.pretrained` a pretrained model is trained further instead of a network of layers.

```yaml
task: {name: TextClassification, dataset: {path: phrasebank.parquet, target: label}}
model:
  pretrained: sentence-transformers/all-MiniLM-L6-v2
  method: lora
  lora: {rank: $rank, alpha: 16}
  parameters:
    rank: {choice: [4, 8, 16]}
    learning_rate: {float: [1e-5, 1e-3], log: true}
```

`raygen finetune FILE` trains once, with no open parameters; `raygen generate` searches them.
A value below the key of the method may be `$name`, as in a layer.

| method | settings and their defaults | what is trained |
|---|---|---|
| `full` | | all weights |
| `head-only` | | the head of the task |
| `lora` | `rank: 8`, `alpha: 16`, `dropout: 0.0`, `target_modules: auto` | low-rank changes of \
linear layers (arXiv 2106.09685) |
| `dora` | as lora | the same, with a magnitude of its own (arXiv 2402.09353) |
| `adalora` | `rank: 8`, `start_rank: 12`, and as lora | ranks given to where they matter \
(arXiv 2303.10512) |
| `qlora` | as lora | lora over weights in 4 bits; needs a CUDA GPU (arXiv 2305.14314) |
| `ia3` | `target_modules: auto` | a factor for each activation (arXiv 2205.05638) |
| `prompt` | `tokens: 20` | vectors before the text (arXiv 2104.08691) |
| `prefix` | `tokens: 20` | keys and values before the text in each layer (arXiv 2101.00190) |
| `p-tuning` | `tokens: 20`, `width: 128` | vectors before the text, from a small network \
(arXiv 2103.10385) |
| `adapter` | `width: 32` | a bottleneck behind each block (arXiv 1902.00751) |

The head of the task is trained with all of them.
`target_modules` is a list of names of layers, `all-linear`, or `auto`, which peft knows for most
models; the names it comes to are written into `model.py`.

| setting | value | default | meaning |
|---|---|---|---|
"""


def config_reference() -> str:
    """Tell every key of the config file, in the order of the YAML, as Markdown."""
    parts = [_HEAD, *(_table(path, section) for path, section in _sections())]
    tables = (_settings_table(TRAINING_SETTINGS), _settings_table(FINETUNE_SETTINGS))
    return "\n".join([*parts, _SPACES + tables[0], _FINETUNING + tables[1]])


def _settings_table(settings: Mapping[str, TrainingSetting]) -> str:
    rows = [
        f"| `{name}` | {each.must} | `{show(each.default)}` | {each.meaning} |\n"
        for name, each in settings.items()
    ]
    return "".join(rows)


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of the config file, with which editors complete and check it."""
    told = Experiment.model_json_schema()
    told["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    told["title"] = "RayGen config"
    for name, section in {"Experiment": told, **told["$defs"]}.items():
        for key, below in section["properties"].items():
            below["description"] = _meanings()[name][key]
    told["$defs"]["Model"]["properties"] |= {
        "training": _training_schema(),
        "parameters": _parameters_schema(),
    }
    return told


def starter_config(task_name: str) -> str:
    """Write a commented config file to begin with.

    Raises:
        ConfigError: There is no such task.
    """
    tasks = get_args(TaskName)
    if task_name not in tasks:
        raise ConfigError(
            f"unknown task {show(task_name)}",
            must=f"it must be one of {listed(tasks)}",
            remedy=did_you_mean(task_name, tasks),
        )
    lines = [
        "# A RayGen config: `raygen check` checks it, `raygen generate --config` runs it.",
        "# Lines that begin with # show what else could be said; values are the defaults.",
        *_starter_lines(Experiment, task_name, ""),
    ]
    return "\n".join(lines) + "\n"


_STARTER_DATA = {
    "ImageClassification": {"name": "digits", "train_split": "train", "test_split": "test"},
    "TabularClassification": {"name": "breast_cancer"},
    "TabularRegression": {"name": "diabetes"},
    "TextClassification": {"name": "ag_news", "train_split": "train", "test_split": "test"},
    "TokenClassification": {"path": "wikigold.parquet", "tokens": "tokens", "tags": "tags"},
    "CausalLM": {"path": "shakespeare.txt"},
    "InstructionTuning": {"path": "pairs.parquet", "prompt": "prompt", "answer": "answer"},
    "Summarization": {"path": "dialogues.parquet", "document": "dialogue", "summary": "summaries"},
    "SpeechRecognition": {"path": "clips.csv", "audio": "file", "transcript": "transcript"},
    "PreferenceTuning": {"path": "pairs.parquet", "chosen": "chosen", "rejected": "rejected"},
    "Embedding": {"path": "pairs.parquet", "anchor": "question", "positive": "answer"},
}
_STARTER_MODELS = {
    "TokenClassification": "google-bert/bert-base-cased",
    "CausalLM": "HuggingFaceTB/SmolLM2-135M",
    "InstructionTuning": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "Summarization": "google-t5/t5-small",
    "SpeechRecognition": "openai/whisper-tiny",
    "PreferenceTuning": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "Embedding": "sentence-transformers/all-MiniLM-L6-v2",
}
_STARTER_CUSTOM = {
    "objective": "train.py:train",
    "metric": "loss",
    "mode": "min",
    "parameters": "{learning_rate: {float: [1e-4, 1e-1], log: true}, width: {choice: [16, 32]}}",
}


def _sections() -> list[tuple[str, type[BaseModel]]]:
    """List the sections of the YAML with their paths, in its order."""
    found: list[tuple[str, type[BaseModel]]] = []
    waiting: list[tuple[str, type[BaseModel]]] = [("", Experiment)]
    while waiting:
        path, section = waiting.pop(0)
        found.append((path, section))
        below = [(f"{path}.{key}".strip("."), _kind(f)) for key, f in section.model_fields.items()]
        waiting = [(key, kind) for key, kind in below if kind is not None] + waiting
    return found


def _kind(field: FieldInfo) -> type[BaseModel] | None:
    """Give the section a key holds, if it holds one."""
    return section_of(field.annotation)


def _table(path: str, section: type[BaseModel]) -> str:
    title = f"## `{path}`" if path else "## Top level"
    lines = [title, "", inspect.getdoc(section) or "", ""]
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, field in section.model_fields.items():
        default = "must be given" if field.is_required() else f"`{_default(field)}`"
        value, link = allowed(field), f"`{key}`"
        if _kind(field) is not None:
            place = f"{path}{key}".replace(".", "")
            value, link = "a mapping", f"[`{key}`](#{place})"
            default = default if field.is_required() else "see below"
        default = "-" if default in ("`null`", "``") else default
        lines.append(f"| {link} | {value} | {default} | {_meanings()[section.__name__][key]} |")
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    """Show the default of a key as it would be written."""
    default = field.get_default()
    if isinstance(default, float) and "duration" in allowed(field):
        return format_duration(default)
    return default if isinstance(default, str) else show(default)


@functools.cache
def _meanings() -> dict[str, dict[str, str]]:
    """Read the text under each field of each section.

    Pydantic could do so at import, but ``raygen check`` has no time for it.
    """
    found: dict[str, dict[str, str]] = {}
    for node in itertools.chain(*(ast.parse(inspect.getsource(each)).body for each in _SECTIONS)):
        if not isinstance(node, ast.ClassDef):
            continue
        told = found.setdefault(node.name, {})
        for field, text in zip(node.body, node.body[1:], strict=False):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    told[name] = " ".join(words.split())
    return found


def _starter_lines(section: type[BaseModel], task_name: str, indent: str) -> list[str]:
    lines: list[str] = []
    for key, field in section.model_fields.items():
        below = _kind(field)
        if not _concerns(key, task_name) or (section is Dataset and not _has_key(key, task_name)):
            continue
        if below is not None:
            lines += [f"{indent}{key}:", *_starter_lines(below, task_name, indent + "  ")]
            continue
        value = _starter_value(section, key, field, task_name)
        written = f"{indent}{key}: {value}" if value else f"{indent}# {key}:"
        words = " | ".join(options(field.annotation)) or _first_sentence(section, key)
        lines.append(f"{written:<38}  # {words}")
    return lines


def _starter_value(
    section: type[BaseModel], key: str, field: FieldInfo, task_name: str
) -> str | None:
    if section is Task and key == "name":
        return task_name
    if section is Dataset:
        return _STARTER_DATA[task_name].get(key)
    if section is Model and key == "pretrained" and task_name in PRETRAINED_ONLY:
        return _STARTER_MODELS[task_name]
    if key == "max_epochs" and task_name in PRETRAINED_ONLY:
        return "3"
    if section in (Task, Model) and task_name == "Custom":
        return _STARTER_CUSTOM.get(key)
    return None if field.get_default() in (None, "", (), {}) else _default(field)


def _concerns(key: str, task_name: str) -> bool:
    """Tell whether a key can be given for a task."""
    if task_name == "Custom":
        return key not in (
            "dataset",
            "command",
            "framework",
            "space",
            "layers",
            "training",
            "folds",
            "pretrained",
            "method",
            *METHOD_KEYS.values(),
        )
    if key in ("objective", "command", "folder", "mode"):
        return False
    if task_name in PRETRAINED_ONLY:
        return key not in ("space", "layers", "framework")
    return key not in ("method", *METHOD_KEYS.values())


def _has_key(key: str, task_name: str) -> bool:
    return task_name in DATASET_KEYS.get(key, (task_name,))


def _first_sentence(section: type[BaseModel], key: str) -> str:
    words = _meanings()[section.__name__][key]
    return words.split(". ")[0].split("; ")[0].rstrip(".") + "."


def _training_schema() -> dict[str, Any]:
    reference = {"type": "string", "pattern": r"^\$"}
    known = {
        name: {
            "description": each.meaning,
            "anyOf": [
                {"enum": list(each.options)}
                if each.options
                else {"type": "integer" if each.whole else "number"},
                reference,
            ],
        }
        for name, each in TRAINING_SETTINGS.items()
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "description": _meanings()["Model"]["training"],
        "properties": known,
    }


def _parameters_schema() -> dict[str, Any]:
    scalar = {"type": ["boolean", "number", "string"]}
    bounds = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}}
    keys = {
        "float": bounds,
        "int": bounds | {"items": {"type": "integer"}},
        "choice": {"type": "array", "minItems": 1, "items": scalar},
        "log": {"type": "boolean"},
        "step": {"type": "number", "exclusiveMinimum": 0},
        "changes": {"enum": ["architecture", "training"]},
        "when": {"type": ["object", "null"], "minProperties": 1, "maxProperties": 1},
    }
    one_range = [{"required": [kind]} for kind in ("float", "int", "choice")]
    written = {
        "type": "object",
        "additionalProperties": False,
        "properties": keys,
        "oneOf": one_range,
    }
    return {
        "type": "object",
        "description": _meanings()["Model"]["parameters"],
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {"anyOf": [scalar, written]},
    }
