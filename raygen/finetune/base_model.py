"""Is the pretrained model there, has it a head for the task, and which model is it?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raygen.config.schema import Experiment
from raygen.errors import ConfigError, DataError, RaygenError
from raygen.finetune.anatomy import Anatomy, ContradictionError, dissect

_SENSES = {"input_features": "sounds", "input_values": "sounds", "pixel_values": "images"}
_OF_SENSES = ("AutoModelForSpeechSeq2Seq", "AutoModelForCTC", "AutoModelForImageClassification")


@contextmanager
def foreign_files(experiment: Experiment) -> Iterator[None]:
    """Make one line of whatever other people's libraries say of other people's files.

    Raises:
        DataError: They said something.
    """
    try:
        yield
    except RaygenError:
        raise
    except Exception as error:
        if os.environ.get("RAYGEN_DEBUG"):
            raise
        told = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise DataError(
            f"model and data set cannot be read together ({told})",
            where=experiment.origin.where("model.pretrained"),
            must="the folder must be one of a model, the rows such as its task has",
            remedy="RAYGEN_DEBUG=1 shows where",
        ) from error


def name_in_program(given: str | None, folder: Path) -> str:
    """A folder by its full path, since programs run elsewhere; a name of the hub as it is."""
    return str(folder.resolve()) if Path(str(given)).expanduser().is_dir() else str(given)


def fit_head(folder: Path, auto_class: str, *, where: str, **settings: Any) -> Anatomy:
    """Look at the model with the head of the task.

    Raises:
        ConfigError: transformers has no such head for this kind of model, or it cannot write.
        DataError: Config and weights contradict each other.
    """
    try:
        anatomy = dissect(folder, auto_class, **settings)
    except ContradictionError as error:
        must = "config.json and the weights must be of one model"
        raise DataError(str(error), where=where, must=must) from None
    except ValueError as error:
        raise ConfigError(
            f"transformers has no {auto_class} of this model",
            where=where,
            must="the model must be of a kind that has the head of the task",
            remedy=" ".join(str(error).split())[:200],
        ) from None
    if anatomy.takes in _SENSES and auto_class not in _OF_SENSES:
        raise ConfigError(
            f"a {anatomy.kind} model given",
            where=where,
            must=f"the model must be one that reads texts, and this one takes "
            f"{_SENSES[anatomy.takes]}",
        )
    if auto_class == "AutoModelForCausalLM" and _reads_only(folder):
        raise ConfigError(
            f"a {anatomy.kind} model given",
            where=where,
            must="the model must be one that writes, and this one fills gaps of texts",
            remedy="take a decoder, such as HuggingFaceTB/SmolLM2-135M",
        )
    return anatomy


def _reads_only(folder: Path) -> bool:
    """Whether a model sees both sides of a word, although transformers gives it a head to write."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    writes = config.is_encoder_decoder or getattr(config, "is_decoder", False)
    return config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not writes


def fingerprint(uri: str, cells: Any, folder: Path) -> str:
    """Hash the data, the small files of the model, and the sizes and first bytes of its weights."""
    digest = hashlib.sha256()
    if Path(uri).is_file():
        with Path(uri).open("rb") as data:
            while block := data.read(1 << 24):
                digest.update(block)
    elif cells is None:
        digest.update(uri.encode())
    else:
        digest.update(repr(cells.to_dict("list")).encode())
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".txt", ".model"):
            digest.update(file.name.encode() + file.read_bytes())
        elif file.suffix in (".safetensors", ".bin"):
            with file.open("rb") as opened:
                digest.update(f"{file.name} {file.stat().st_size}".encode())
                digest.update(opened.read(1 << 20))
    return digest.hexdigest()[:16]
