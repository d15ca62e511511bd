"""Turns a candidate of a fine-tuning into the text of its model.py."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from raygen.config.references import resolve
from raygen.config.space import Space
from raygen.errors import ConfigError, DataError, EnvironmentProblem, SourceError
from raygen.finetune.anatomy import build_empty
from raygen.finetune.inspect import FinetuningSpec
from raygen.finetune.methods import METHODS, Method, Terms
from raygen.finetune.tasks import FinetuningTask
from raygen.fragments import Fragment, link
from raygen.source.blueprint import Changes
from raygen.source.candidate import Candidate, Source
from raygen.source.corners import check_candidates
from raygen.source.frameworks import DECAYS
from raygen.source.literals import assignment, literal
from raygen.source.schedule import SCHEDULED
from raygen.source.skeleton import fill, functions, harmless
from raygen.tasks.task import METRICS, Objective

if TYPE_CHECKING:
    import numpy as np

_PROGRAM = "raygen.finetune.program"
_METRICS = "raygen.tasks.fragments.metrics"
_FOLDS = "raygen.data.fragments.folds"
_FOLDS_SHUFFLED = "raygen.finetune.fragments.folds_shuffled"
_LINEAR = """\
done = (progress - warmup) / max(EPOCHS - warmup, 1e-9)
return float(peak * (1 - done))"""
_DECAYS = {**DECAYS, "linear": _LINEAR}
_SAVE_RANKS = """\
ranks = model.base_model.rankallocator
state["ranks"] = {name: vars(ranks)[name] for name in ("ipt", "exp_avg_ipt", "exp_avg_unc")}
state["pattern"] = model.peft_config["default"].rank_pattern"""
_LOAD_RANKS = """\
vars(model.base_model.rankallocator).update(state["ranks"])
model.peft_config["default"].rank_pattern = state["pattern"]"""
_SAVE_ADAPTER = """\
if epoch == EPOCHS:
    model.save_pretrained(folder, state_dict=state["model"], save_embedding_layers=False)"""


@dataclass(frozen=True, kw_only=True)
class PretrainedBlueprint:
    """All that the candidates of one fine-tuning have in common; an ``AnyBlueprint``."""

    name: str
    task_name: str
    task: FinetuningTask
    method_name: str
    objectives: tuple[Objective, ...]
    spec: FinetuningSpec
    space: Space
    seed: int
    folds: int
    epochs: int
    threads: int
    strategy: str = "ddp"
    """How several workers share a model: ddp or fsdp."""

    @property
    def method(self) -> Method:
        """The row of what is trained."""
        return METHODS[self.method_name]

    @property
    def metric(self) -> str:
        """What candidates are ranked by: the first objective."""
        return self.objectives[0].name

    @property
    def packages(self) -> tuple[str, ...]:
        """What must be installed to run a program."""
        return ("torch", "transformers", "peft")

    @property
    def data_sha(self) -> str:
        """Fingerprint of the data set and the pretrained model."""
        return self.spec.sha

    @property
    def data_text(self) -> str:
        """The text of the loader."""
        return link(self._loader, self.spec.constants)

    @property
    def can_resume(self) -> bool:
        """Whether programs save checkpoints and go on from them."""
        return True

    def told(self) -> str:
        """The size of the data set, what is trained of which model, and what is cut."""
        spec = self.spec
        rows = f"{spec.num_rows} training and {spec.num_test_rows} test rows"
        classes = f", {len(spec.classes)} classes" if spec.classes else ""
        cut = f"; {spec.cut}" if spec.cut else ""
        return f"{rows}{classes}; {self.method.title} of a {spec.anatomy.kind} model{cut}"

    def check(self) -> None:
        """Look at candidates of all kinds without training any.

        Raises:
            ConfigError: A target names no layer.
            EnvironmentProblem: The method needs what this machine lacks.
        """
        if self.method.needs_gpu:
            self._check_gpu()
        check_candidates(self.space, self._method_lines)

    def repeated(self, repeat: int) -> PretrainedBlueprint:
        """The same with the seed of a further training of the same candidates; 0 is the first."""
        return replace(self, seed=self.seed + repeat)

    def render(self, candidate: Candidate, *, changes: Changes = ()) -> Source:
        """Write the program of a candidate.

        Args:
            candidate: The method's settings, and what it is trained with at first.
            changes: Training settings that are others from a number of epochs on.

        Raises:
            ConfigError: A target names no layer.
        """
        settings = self.space.training_settings(candidate.values)
        task, method = self.task, self.method
        of_class = task.targets == "class"
        folds = [functions(_FOLDS)]
        if not of_class:
            folds = [functions(_FOLDS_SHUFFLED), functions(_FOLDS, only="deal".__eq__)]
        loader = [name for name in self.spec.fragments if name not in (_FOLDS, _FOLDS_SHUFFLED)]
        regions = {
            "constants": self._constants(settings, changes),
            "data": "\n\n\n".join([functions(*loader), *folds]),
            "blocks": functions(method.fragment) if method.fragment else "",
            "model": self._model(settings, self._method_lines(candidate)),
            "decay": _DECAYS[str(settings["schedule"])],
            "outputs": functions(*task.outputs),
            "step": method.step,
            "distribute": self._distribute(),
            "share": "network.require_backward_grad_sync = place == len(parts) - 1"
            if self.strategy == "ddp"
            else "network.set_requires_gradient_sync(place == len(parts) - 1)",
            "scores": task.scores or self._scores(),
            "save": _SAVE_RANKS if self.method_name == "adalora" else "",
            "load": _LOAD_RANKS if self.method_name == "adalora" else "",
            "adapter": _SAVE_ADAPTER if method.of_peft else "",
            "merge": self._merge(),
            "metrics": functions(_METRICS, only=self._metrics.__contains__)
            if self._metrics
            else "",
            "predictions": task.predictions,
        }
        used = [*loader, _FOLDS, *task.outputs, *((method.fragment,) if method.fragment else ())]
        text = fill(_PROGRAM, regions, title=self._title(), used=used, instead=self._imports())
        return Source(text)

    def num_parameters(self, candidate: Candidate) -> int:
        """Trainable numbers of a candidate, counted on a model without weights."""
        return _count_trained(self, self._method_lines(candidate))

    def preload(self) -> tuple[str, ...]:
        """The modules that every model.py of the run imports, at once or when first used."""
        first = {each.name: each.domain.grid(2)[0] for each in self.space.parameters}
        source = self.render(Candidate(self.space.active(first)))
        return (*source.imports, self.spec.anatomy.module)

    def load_arrays(self) -> dict[str, np.ndarray]:
        """The rows as token numbers, made by the text that stands in the programs.

        Raises:
            DataError: They cannot be read.
        """
        program: dict[str, Any] = {"__name__": "loader"}
        exec(compile(self.data_text, f"<loader of {self.spec.uri}>", "exec"), program)
        try:
            arrays = program["load_data"]()
        except (OSError, ValueError, KeyError, TypeError) as error:
            told = f"{type(error).__name__}: {error}"
            raise DataError(f"cannot be read ({told})", where=self.spec.uri) from error
        return dict(zip(("x", "y", "x_test", "y_test"), arrays, strict=True))

    @property
    def _loader(self) -> tuple[str, ...]:
        last = () if self.task.targets == "class" else (_FOLDS_SHUFFLED,)
        return (*self.spec.fragments, _FOLDS, *last)

    @property
    def _metrics(self) -> tuple[str, ...]:
        """The functions of plain metrics that score the predictions."""
        if self.task.scores:
            return ()
        wanted = [each.name for each in self.objectives if each.name in METRICS]
        return tuple(dict.fromkeys((*wanted, "accuracy", "log_loss")))

    def _scores(self) -> str:
        entries = ", ".join(f'"{name}": {name}(y, p)' for name in self._metrics)
        return f"return {{{entries}}}"

    def _method_lines(self, candidate: Candidate) -> str:
        """The lines of ``build_model`` that say what is trained."""
        (layer,) = self.space.layers
        settings = resolve(layer[self.method_name], candidate.values)
        return self.method.lines(settings, self._terms(settings))

    def _terms(self, settings: Any) -> Terms:
        batch = self.space.training_settings({})["batch_size"]
        rows = self.spec.num_rows * (self.folds - 1) // self.folds
        per_epoch = -(-rows // batch) if isinstance(batch, int) else 1
        return Terms(
            task_type=self.task.task_type,
            anatomy=self.spec.anatomy,
            targets=self._targets(settings.get("target_modules")),
            steps=self.epochs * per_epoch,
        )

    def _targets(self, given: Any) -> tuple[str, ...]:
        anatomy = self.spec.anatomy
        if given is None:
            return ()
        if given == "auto":
            return anatomy.automatic(self.method.targets)
        if given == "all-linear":
            return anatomy.names
        found = anatomy.matched(given)
        for name in given:
            if name not in found:
                raise ConfigError(
                    f"target {name!r} matches no layer of {self.spec.constants['PRETRAINED']}",
                    where=self.space.origin.where(f"{self.method_name}.target_modules"),
                    must=f"it must be one of {', '.join(anatomy.names)}",
                    remedy="or write auto",
                )
        return tuple(given)

    def _check_gpu(self) -> None:
        import importlib.util

        import torch

        if torch.cuda.is_available() and importlib.util.find_spec("bitsandbytes"):
            return
        lacks = "the package bitsandbytes" if torch.cuda.is_available() else "a CUDA GPU"
        raise EnvironmentProblem(
            f"{self.method_name} needs {lacks}",
            where=self.space.origin.where("method"),
            must="it keeps the weights in 4 bits, which only a CUDA GPU computes with",
            remedy="write method: lora",
        )

    def _constants(self, settings: Any, changes: Changes) -> str:
        """Every value of the experiment, as literals."""
        wanted: dict[str, Any] = {}
        fragments = (*self._loader, *self.task.outputs)
        for module in fragments:
            wanted |= Fragment.read(module).constants
        given = self.spec.constants
        values = {"DATA": given["DATA"], "PRETRAINED": given["PRETRAINED"]}
        values |= {name: given[name] for name in wanted if name in given}
        values |= {"CLASSES": list(self.spec.classes)} if self.spec.classes else {}
        values |= {"METRIC": self.metric, "SEED": self.seed, "FOLDS": self.folds}
        values |= {"EPOCHS": self.epochs, "THREADS": self.threads}
        values |= {name.upper(): settings[name] for name in ("micro_batch", "max_grad_norm")}
        values["PRECISION"] = settings["precision"]
        lines = [assignment(name, value) for name, value in values.items()]
        schedule = [(epoch, self._scheduled(s)) for epoch, s in ((0, settings), *changes)]
        kind = "list[tuple[int, dict[str, Any]]]"
        return "\n".join([*lines, assignment("SCHEDULE", schedule, annotation=kind)])

    def _scheduled(self, settings: Any) -> dict[str, Any]:
        unused = {"augmentation", *self.task.unused}
        return {n: settings[n] for n in SCHEDULED if n in settings and n not in unused}

    def _model(self, settings: Any, method: str) -> str:
        """The lines of ``build_model``; the last one returns the model."""
        parts = (self._base(settings), method, self._options(settings))
        text = "\n".join(part for part in parts if part)
        lines, last = text.splitlines(), ast.parse(text).body[-1]
        if isinstance(last, ast.Assign):
            start = last.lineno - 1
            returned = lines[start].replace("model = ", "return ", 1)
            return "\n".join([*lines[:start], returned, *lines[start + 1 :]])
        return f"{text}\nreturn model"

    def _base(self, settings: Any) -> str:
        arguments = ["PRETRAINED", "dtype=torch.float32", self.task.base]
        if settings["dropout"] >= 0:
            names = self.spec.anatomy.dropouts
            arguments += [f"{name}={literal(settings['dropout'])}" for name in names]
        if self.method.base:
            arguments.append(self.method.base)
        return _laid_out(f"model = {self.task.auto_class}.from_pretrained", arguments)

    def _options(self, settings: Any) -> str:
        lines = []
        if settings["checkpointing"]:
            lines.append('model.gradient_checkpointing_enable({"use_reentrant": False})')
        if settings["compile"]:
            lines.append("model.compile()")
        return "\n".join(lines)

    def _distribute(self) -> str:
        if self.strategy == "ddp":
            return "return nn.parallel.DistributedDataParallel(model)"
        inner = {True: "base_model.model.", False: ""}[self.method.of_peft]
        if self.method_name in ("prompt", "prefix", "p-tuning"):
            inner = "base_model."
        return (
            f"for block in model.get_submodule({literal(inner + self.spec.anatomy.blocks)})"
            ".children():\n    fully_shard(block)\nfully_shard(model)\nreturn model"
        )

    def _merge(self) -> str:
        if self.method.merges:
            return self.method.merges
        if self.method.can_merge:
            return ""
        return f'raise SystemExit("{self.method.title} cannot be merged; use the weights as saved")'

    def _imports(self) -> dict[str, str]:
        """Import statements of the skeleton and what takes their place."""
        auto = f"from transformers import {self.task.auto_class}, AutoTokenizer"
        fsdp = "from torch.distributed.fsdp import fully_shard" if self.strategy == "fsdp" else ""
        return {
            "from peft import LoraConfig, get_peft_model": f"{self.method.imports}\n{fsdp}",
            "from transformers import AutoModelForSequenceClassification, AutoTokenizer": auto,
        }

    def _title(self) -> str:
        model = harmless(str(self.spec.constants["PRETRAINED"]).rpartition("/")[2])
        return f"{self.task_name}, {harmless(self.name)}: {model} fine-tuned, found by RayGen."


def _laid_out(call: str, arguments: list[str]) -> str:
    """A call on one line, or with its arguments on the next, or one on each."""
    flat = ", ".join(arguments)
    if len(call) + len(flat) + 6 <= 100:
        return f"{call}({flat})"
    if len(flat) + 8 <= 100:
        return f"{call}(\n    {flat}\n)"
    return (
        f"{call}(\n" + "".join(f"    {each},\n" for each in ", ".join(arguments).split(", ")) + ")"
    )


def _count_trained(blueprint: PretrainedBlueprint, lines: str) -> int:
    """Numbers that are trained, of a model on the meta device with the method's lines applied."""
    spec, task, method_name = blueprint.spec, blueprint.task, blueprint.method_name
    key = (spec.folder, task.auto_class, len(spec.classes), method_name, lines)
    if key not in _COUNTED:
        settings = {"num_labels": len(spec.classes)} if spec.classes else {}
        model, _ = build_empty(spec.folder, task.auto_class, **settings)
        method = METHODS[method_name]
        program: dict[str, Any] = {"__name__": "method", "model": model}
        text = link([method.fragment], {}) if method.fragment else ""
        exec(f"{text}\n{method.imports}", program)
        try:
            with warnings.catch_warnings():  # of transformers, about names that peft uses
                warnings.simplefilter("ignore", FutureWarning)
                exec(lines.replace("prepare_model_for_kbit_training(model)", "model"), program)
        except ValueError as error:
            raise SourceError(f"{method.title} cannot be put into the model: {error}") from error
        _COUNTED[key] = sum(
            weight.numel()
            for name, weight in program["model"].named_parameters()
            if weight.requires_grad and ".ranknum" not in name  # which AdaLoRA only looks at
        )
    return _COUNTED[key]


_COUNTED: dict[Any, int] = {}
