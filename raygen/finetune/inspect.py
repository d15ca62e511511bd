"""Do the pretrained model and the data set fit each other and the task? Asked before any training.

Only config, tokenizer and the header of the checkpoint are read, never the weights.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.config.schema import Experiment
from raygen.data.fetched import named_by
from raygen.data.loaders import FETCH
from raygen.data.request import Request
from raygen.data.spec import STRATIFIED, Deal
from raygen.finetune.anatomy import Anatomy
from raygen.finetune.base_model import fingerprint, fit_head, foreign_files, name_in_program
from raygen.finetune.columns import check_tags, find_columns, tell_empty
from raygen.finetune.facts import Facts
from raygen.finetune.input_kinds import KINDS, InputKind
from raygen.finetune.labels import find_classes
from raygen.finetune.language import count_blocks
from raygen.finetune.pretrained import check_weights, find_model
from raygen.finetune.rows import cut_test_rows, find_source, read_rows, row_fragments
from raygen.finetune.sample import IN_PARTS, PART_ROWS, count_rows, sample_rows
from raygen.finetune.tasks import FinetuningTask
from raygen.finetune.tokens import MOST_COUNTED, kept_length, padding
from raygen.uris import is_uri

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class FinetuningSpec:
    """All that a program needs to know of its data set and its pretrained model."""

    uri: str
    folder: Path
    """Where config, tokenizer and, in the end, the weights of the model lie."""
    anatomy: Anatomy
    fragments: tuple[str, ...]
    """Modules of ``load_data``, ``read_inputs`` and all they call."""
    constants: dict[str, Any]
    sha: str
    """Fingerprint of the data and of the model."""
    num_rows: int
    num_test_rows: int
    classes: tuple[str | int, ...]
    cut: str
    """How many rows have no target, how many texts are cut or empty; empty if none is."""


def inspect_finetuning(
    experiment: Experiment, task: FinetuningTask, *, reserved: int = 0, deal: Deal = STRATIFIED
) -> FinetuningSpec:
    """Find out what a program must know, and refuse what cannot be.

    Args:
        experiment: Of a pretrained model.
        task: The row of its task.
        reserved: Tokens of the model's length that the method takes for itself.
        deal: How rows are dealt into folds.

    Raises:
        ConfigError: The model has no head for the task, or a column is not named.
        DataError: Model, tokenizer, file, column or split is not there, or labels do not fit.
        EnvironmentProblem: torch, transformers or peft is not installed.
    """
    request = Request(
        dataset=experiment.task.rows,
        modality="text",
        regression=False,
        folds=experiment.rank.folds,
        origin=experiment.origin,
        deal=deal,
    )
    with foreign_files(experiment):
        named = request.dataset.path or ""
        uri, reader = find_source(request, KINDS[task.kind].files)
        with named_by(named, uri) if is_uri(named) else nullcontext():
            spec = _inspect(experiment, task, request, uri, reader, reserved)
    if not is_uri(named):
        return spec
    constants = {**spec.constants, "DATA": named}
    return replace(spec, uri=named, constants=constants, fragments=(*spec.fragments, FETCH))


def _inspect(
    experiment: Experiment,
    task: FinetuningTask,
    request: Request,
    uri: str,
    reader: str,
    reserved: int,
) -> FinetuningSpec:
    from raygen.data.folds_by_column import find_by, told_without_by  # pandas
    from raygen.data.inspect_frame import find_splits, told_without_target, used_rows
    from raygen.data.own_split import sha_of_folds

    kind, of_class = KINDS[task.kind], task.targets == "class"
    where = experiment.origin.where("model.pretrained")
    folder = find_model(str(experiment.model.pretrained), where=where)
    check_weights(str(experiment.model.pretrained), where=where)
    streamed = bool(experiment.task.rows.streamed)
    _check_deal(request, streamed=streamed, packed=kind.packed)

    def look_at(part: pd.DataFrame) -> pd.Series | None:
        named = find_columns(request, kind.columns, part)
        if task.targets == "tags":
            check_tags(request, part, named["TOKENS"], named["TARGET"])
        return part[named["TARGET"]] if task.targets != "none" else None

    if streamed:
        frame = sample_rows(request, uri, reader, look_at)
    else:
        frame = read_rows(request, uri, reader)
        look_at(frame)
    columns = find_columns(request, kind.columns, frame)
    splits = find_splits(request, frame, columns["TARGET"])
    pretrained = name_in_program(experiment.model.pretrained, folder)
    found: dict[str, Any] = {"DATA": uri, "PRETRAINED": pretrained, **columns, **splits}
    found |= {"PART_ROWS": PART_ROWS} if streamed else {}
    found |= find_by(request, frame, found)
    packed = kind.packed
    train, test, dealt = cut_test_rows(request, found, frame, of_class=of_class, packed=packed)
    found |= dealt
    classes = _classes(request, task, columns["TARGET"], train, test)
    if classes:
        found["CLASSES"] = list(classes)
    head = {"num_labels": len(classes)} if classes else {}
    anatomy = fit_head(folder, task.auto_class, where=where, **head)
    facts = Facts(
        request=request,
        uri=uri,
        folder=folder,
        where=where,
        anatomy=anatomy,
        reserved=reserved,
        columns=columns,
        cells=_cells(kind, columns, [train, test]),
    )
    told, cut = tell_empty(request, kind.columns, columns, facts.cells), ""
    if kind.lengths is not None:
        found["PAD"] = padding(facts.tokenizer)
        lengths = kind.lengths(facts.tokenizer, facts.cells)
        found["MAX_LENGTH"] = kept = kept_length(request, lengths, facts.longest)
        facts, cut = replace(facts, max_length=kept, lengths=lengths), lengths.told_cut(kept)
    found |= kind.constants(facts)
    rows, test_rows = sampled = len(train), len(test)
    missing = int(used_rows(frame, columns | splits)[columns["TARGET"]].isna().sum())
    if streamed:
        rows, test_rows, missing = count_rows(request, found, reader, of_class=of_class)
    without = told_without_by(request, frame, columns["TARGET"])
    unused = told_without_target(missing, rows + test_rows + missing, columns["TARGET"])
    if kind.packed:  # those of a sample stand for the others
        texts = (table[columns["TARGET"]].tolist() for table in (train, test))
        blocks = (count_blocks(facts, each, found["MAX_LENGTH"]) for each in texts)
        share = rows / sampled[0], test_rows / sampled[1]
        rows, test_rows = (round(n * part) for n, part in zip(blocks, share, strict=True))
    return FinetuningSpec(
        uri=uri,
        folder=folder,
        anatomy=anatomy,
        fragments=(
            *task.fragments,
            *([IN_PARTS] if streamed else []),
            reader,
            *row_fragments(found, of_class=of_class, split=request.deal.split),
        ),
        constants=found,
        sha=sha_of_folds(fingerprint(uri, frame, folder), found),
        num_rows=rows,
        num_test_rows=test_rows,
        classes=classes,
        cut="; ".join(part for part in (unused, without, cut, told) if part),
    )


def _check_deal(request: Request, *, streamed: bool, packed: bool) -> None:
    """Refuse to deal what has no rows of a table.

    Raises:
        ConfigError: Rows are read in parts, or joined.
    """
    if request.deal.split == "stratified" or not (streamed or packed):
        return
    what = "streamed" if streamed else "running text, which is cut into blocks"
    raise request.config_error(
        f"{request.deal.split} given, and {what}",
        key="rank.split",
        must="a column or a function deals rows of a table that fits into memory",
        remedy="write stratified",
    )


def _classes(
    request: Request, task: FinetuningTask, column: str, train: pd.DataFrame, test: pd.DataFrame
) -> tuple[str | int, ...]:
    if task.targets == "none":
        return ()
    key = KINDS[task.kind].columns[-1].key
    return find_classes(request, column, train, test, key=key, tags=task.targets == "tags")


def _cells(
    kind: InputKind, columns: dict[str, str], tables: list[pd.DataFrame]
) -> dict[str, list[Any]]:
    """The cells of the first many rows, by the key of their column."""
    return {
        each.key: [cell for rows in tables for cell in rows[columns[each.key.upper()]].tolist()][
            :MOST_COUNTED
        ]
        for each in kind.columns
        if each.key.upper() in columns
    }
