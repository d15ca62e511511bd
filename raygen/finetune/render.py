"""Turns a candidate of a fine-tuning into the text of its model.py."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from raygen.data.loaders import first_lines, folds_fragment
from raygen.finetune.placement import method_lines
from raygen.finetune.sample import IN_PARTS
from raygen.fragments import Fragment
from raygen.source.blueprint import Changes
from raygen.source.candidate import Candidate, Source
from raygen.source.literals import assignment, literal
from raygen.source.schedule import SCHEDULED
from raygen.source.skeleton import fill, functions, harmless
from raygen.tasks.task import METRICS

if TYPE_CHECKING:
    from raygen.finetune.blueprint import PretrainedBlueprint

_PROGRAM = "raygen.finetune.program"
_METRICS = "raygen.tasks.fragments.metrics"
FOLDS = "raygen.data.fragments.folds"
_FOLDS_SHUFFLED = "raygen.finetune.fragments.folds_shuffled"
"""With ``_repeated`` behind it, where they are dealt several times."""
_DECAYS = {
    "linear": "share = progress / warmup if done < 0 else 1 - done",
    "cosine": "share = progress / warmup if done < 0 else (1 + math.cos(math.pi * done)) / 2",
    "constant": "share = progress / warmup if done < 0 else 1.0",
}
_PRECISIONS = {
    "auto": """\
GPU, CPU = DEVICE.type == "cuda", getattr(torch.cpu, "get_capabilities", dict[str, Any])()
BF16 = torch.cuda.is_bf16_supported(False) if GPU else bool(CPU.get("avx512_bf16"))""",
    "fp32": "BF16 = False",
    "bf16": "BF16 = True",
}
_SHARES = {
    "ddp": "network.require_backward_grad_sync = number == parts - 1  # shared once they are whole",
    "fsdp": "if WORLD_SIZE > 1:  # gradients are shared once they are whole\n"
    "    network.set_requires_gradient_sync(number == parts - 1)",
}
_COUNTS = "lengths, num_targets = row_lengths(x[rows]), count_targets(y[rows])"
_COUNTS_OF_PARTS = """\
parts = np.array_split(rows, len(rows) // PART_ROWS + 1)  # of rows that lie on the disk
lengths = np.concatenate([row_lengths(x[part]) for part in parts])
num_targets = sum(count_targets(y[part]) for part in parts)"""
_SAVE_ADAPTER = """\
if epoch == EPOCHS:
    model.save_pretrained(folder, state_dict=state["model"], save_embedding_layers=False)"""
_MERGE = '''\
def merge(model: nn.Module, folder: str) -> None:
    """Write the trained model as a folder that transformers reads{put}."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    {merged}.save_pretrained(folder)
    {processor}.from_pretrained(PRETRAINED).save_pretrained(folder)'''
_MERGING = 'parser.add_argument("--merge", metavar="FOLDER", help="write the trained model there")'
_SAVED = """\
if args.predict{or_merge}:
    model = build_model().to(DEVICE)
    load(model, build_optimizer(model), args.weights)
{merges}    {predictions}
    return"""
_MERGES = """\
    if args.merge:
        merge(model, args.merge)
        return
"""
_USAGE_OF_MERGE = "python model.py --merge FOLDER   write"


def render_program(
    blueprint: PretrainedBlueprint, candidate: Candidate, changes: Changes = ()
) -> Source:
    """Write the program of a candidate.

    Raises:
        ConfigError: A target names no layer.
    """
    settings = blueprint.space.training_settings(candidate.values)
    task, method = blueprint.task, blueprint.method
    loader = [name for name in blueprint.spec.fragments if name != FOLDS]
    scored = _metrics(blueprint)
    parts = {"put": ", its adapter put into it" if method.of_peft else ""}
    parts |= {"merged": method.merged, "processor": task.processor}
    regions = {
        "constants": _constants(blueprint, settings, changes),
        "precision": _PRECISIONS[str(settings["precision"])],
        "data": _data(blueprint, loader),
        "blocks": functions(method.fragment) if method.fragment else "",
        "model": _model(blueprint, settings, method_lines(blueprint, candidate)),
        "decay": _DECAYS[str(settings["schedule"])],
        "outputs": functions(*task.outputs),
        "step": method.step,
        "share": _SHARES[blueprint.strategy],
        "backward": _backward(method.penalty),
        "distribute": _distribute(blueprint),
        "scores": task.scores or _scores(scored),
        "save": method.saved,
        "load": method.loaded,
        "adapter": _SAVE_ADAPTER if method.of_peft else "",
        "merge": f"{_MERGE.format(**parts)}\n\n\n" if method.merged else "",
        "metrics": functions(_METRICS, only=scored.__contains__) if scored else "",
        "counts": _COUNTS_OF_PARTS if IN_PARTS in blueprint.spec.fragments else _COUNTS,
        "loading": f"x, y, x_test, y_test = {loader_name(blueprint)}(args.data)",
        "merging": _MERGING if method.merged else "",
        "saved": _SAVED.format(
            or_merge=" or args.merge" if method.merged else "",
            merges=_MERGES if method.merged else "",
            predictions=_predictions(task.predictions),
        ),
    }
    used = [
        *loader,
        FOLDS,
        folds_module(blueprint),
        *task.outputs,
        *((method.fragment,) if method.fragment else ()),
    ]
    text = fill(_PROGRAM, regions, title=_title(blueprint), used=used, instead=_imports(blueprint))
    if not method.merged:
        kept = (line for line in text.splitlines(keepends=True) if _USAGE_OF_MERGE not in line)
        text = "".join(kept)
    return Source(text)


def loader_name(blueprint: PretrainedBlueprint) -> str:
    """What loads the data: all at once, or in parts."""
    return "load_in_parts" if IN_PARTS in blueprint.spec.fragments else "load_data"


def loader_fragments(blueprint: PretrainedBlueprint) -> tuple[str, ...]:
    """The modules of ``load_data``, ``split`` and all they call."""
    return tuple(dict.fromkeys((*blueprint.spec.fragments, FOLDS, folds_module(blueprint))))


def folds_module(blueprint: PretrainedBlueprint) -> str:
    """The module that deals the rows into folds."""
    deal = blueprint.deal
    if deal.split == "stratified" and blueprint.task.targets != "class":
        return _FOLDS_SHUFFLED + ("_repeated" if deal.repeats > 1 else "")
    return folds_fragment(deal.split, blueprint.spec.constants, repeats=deal.repeats)


def _data(blueprint: PretrainedBlueprint, loader: list[str]) -> str:
    """The text that reads the data set and deals it into folds."""
    module = folds_module(blueprint)
    text = functions(*loader, module, begins=first_lines(blueprint.spec.uri))
    if module == FOLDS or not re.search(r"\bdeal\(", text):
        return text
    return "\n\n\n".join([text, functions(FOLDS, only="deal".__eq__)])


def _metrics(blueprint: PretrainedBlueprint) -> tuple[str, ...]:
    """The functions of plain metrics that score the predictions."""
    if blueprint.task.scores:
        return ()
    return tuple(each.name for each in blueprint.objectives if each.name in METRICS)


def _scores(metrics: tuple[str, ...]) -> str:
    p = "predict(model, inputs, statistics)"
    if len(metrics) == 1:
        return f'return {{"{metrics[0]}": {metrics[0]}(y, {p})}}'
    entries = ", ".join(f'"{name}": {name}(y, p)' for name in metrics)
    return f"p = {p}\nreturn {{{entries}}}"


def _backward(penalty: str) -> str:
    loss = "loss * WORLD_SIZE / count_targets(y)"
    return f"({loss}{penalty}).backward()" + ("" if penalty else "  # averaged over the processes")


def _predictions(line: str) -> str:
    """The line that tells predictions, with the rows where it names them once."""
    rows = "read_inputs(args.predict)"
    if len(re.findall(r"\bx\b", line)) == 1:
        return re.sub(r"\bx\b", rows, line)
    return f"x = {rows}\n    {line}"


def _constants(blueprint: PretrainedBlueprint, settings: Any, changes: Changes) -> str:
    """Every value of the experiment, as literals."""
    wanted: dict[str, Any] = {}
    for module in (*loader_fragments(blueprint), *blueprint.task.outputs):
        wanted |= Fragment.read(module).constants
    given = blueprint.spec.constants
    values = {"DATA": given["DATA"], "PRETRAINED": given["PRETRAINED"]}
    values |= {name: given[name] for name in wanted if name in given}
    values |= {"CLASSES": list(blueprint.spec.classes)} if blueprint.spec.classes else {}
    values |= {"METRIC": blueprint.metric, "SEED": blueprint.seed}
    values |= {"FOLDS": blueprint.folds * blueprint.deal.repeats}
    values |= {"REPEATS": blueprint.deal.repeats} if "REPEATS" in wanted else {}
    values |= {"EPOCHS": blueprint.epochs, "THREADS": blueprint.threads}
    values |= {name.upper(): settings[name] for name in ("micro_batch", "max_grad_norm")}
    if blueprint.task.whole_batches:
        values["MICRO_BATCH"] = max(s["batch_size"] for s in (settings, *(c for _, c in changes)))
    lines = [assignment(name, value) for name, value in values.items()]
    first = _scheduled(blueprint, settings)
    if not first.get("label_smoothing"):
        first.pop("label_smoothing", None)
    schedule = [(0, first), *((epoch, _scheduled(blueprint, new)) for epoch, new in changes)]
    kind = "list[tuple[int, dict[str, Any]]]"
    return "\n".join([*lines, assignment("SCHEDULE", schedule, annotation=kind)])


def _scheduled(blueprint: PretrainedBlueprint, settings: Any) -> dict[str, Any]:
    unused = {"augmentation", *blueprint.task.unused}
    return {name: settings[name] for name in SCHEDULED if name in settings and name not in unused}


def _model(blueprint: PretrainedBlueprint, settings: Any, method: str) -> str:
    """The lines of ``build_model``; the last one returns the model."""
    parts = (_base(blueprint, settings), method, _options(settings))
    text = "\n".join(part for part in parts if part)
    lines, last = text.splitlines(), ast.parse(text).body[-1]
    if isinstance(last, ast.Assign):
        start = last.lineno - 1
        returned = lines[start].replace("model = ", "return ", 1)
        return "\n".join([*lines[:start], returned, *lines[start + 1 :]])
    return f"{text}\nreturn model"


def _base(blueprint: PretrainedBlueprint, settings: Any) -> str:
    arguments = ["PRETRAINED", "dtype=torch.float32"]
    arguments += blueprint.task.base.split(", ") if blueprint.task.base else []
    if settings["dropout"] >= 0:
        names = blueprint.spec.anatomy.dropouts
        arguments += [f"{name}={literal(settings['dropout'])}" for name in names]
    if blueprint.method.base:
        arguments.append(blueprint.method.base)
    return _laid_out(f"model = {blueprint.task.auto_class}.from_pretrained", arguments)


def _options(settings: Any) -> str:
    lines = []
    if settings["checkpointing"]:
        lines.append('model.gradient_checkpointing_enable({"use_reentrant": False})')
    if settings["compile"]:
        lines.append("model.compile()")
    return "\n".join(lines)


def _distribute(blueprint: PretrainedBlueprint) -> str:
    if blueprint.strategy == "ddp":
        return "network = nn.parallel.DistributedDataParallel(model)"
    inner = blueprint.method.inner + blueprint.spec.anatomy.blocks
    return (
        f"for block in model.get_submodule({literal(inner)}).children():\n"
        "    fully_shard(block)\nfully_shard(model)"
    )


def _imports(blueprint: PretrainedBlueprint) -> dict[str, str]:
    """Import statements of the skeleton and what takes their place."""
    task, method = blueprint.task, blueprint.method
    auto = f"from transformers import {task.auto_class}"
    processor = f"\nfrom transformers import {task.processor}" if method.merged else ""
    fsdp = "from torch.distributed.fsdp import fully_shard" if blueprint.strategy == "fsdp" else ""
    return {
        "from peft import LoraConfig, get_peft_model": f"{method.imports}\n{fsdp}",
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer": auto
        + processor,
    }


def _title(blueprint: PretrainedBlueprint) -> str:
    model = harmless(str(blueprint.spec.constants["PRETRAINED"]).rpartition("/")[2])
    task, name = blueprint.task_name, harmless(blueprint.name)
    return f"{task}, {name}: {model} fine-tuned, found by RayGen."


def _laid_out(call: str, arguments: list[str]) -> str:
    """A call on one line, or with its arguments on the next, or one on each."""
    flat = ", ".join(arguments)
    if len(call) + len(flat) + 6 <= 100:
        return f"{call}({flat})"
    if len(flat) + 8 <= 100:
        return f"{call}(\n    {flat}\n)"
    return f"{call}(\n" + "".join(f"    {each},\n" for each in arguments) + ")"
