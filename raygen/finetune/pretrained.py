"""Where does a pretrained model lie, and has it what a fine-tuning needs?"""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from raygen.data.request import near_miss
from raygen.errors import ConfigError, DataError, EnvironmentProblem

_SMALL = ("*.json", "*.txt", "*.model")
"""What is fetched of a model of the hub before it is trained: all but its weights."""

_OWNERS = {
    "albert-": "albert",
    "all-": "sentence-transformers",
    "bert-": "google-bert",
    "distilbert-": "distilbert",
    "distilgpt2": "distilbert",
    "gpt2": "openai-community",
    "paraphrase-": "sentence-transformers",
    "roberta-": "FacebookAI",
    "t5-": "google-t5",
    "xlm-roberta-": "FacebookAI",
}
"""Who owns the models that were once on the hub without an owner, by how their names begin."""


def find_model(name: str, *, where: str) -> Path:
    """Give the folder of a model, a local one or what the hub's cache has of it.

    Raises:
        ConfigError: There is no such model.
        DataError: The folder is not one of a model, or the hub cannot be reached.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if not _is_hub_name(name):
            beside = [each.name for each in folder.parent.iterdir()] if _has_parent(folder) else []
            raise ConfigError(
                f"there is no model {name!r}",
                where=where,
                must="it must be a folder, or an owner/name of the Hugging Face hub",
                remedy=near_miss(folder.name, beside) or _with_owner(name),
            )
        folder = _from_hub(name, where)
    if not (folder / "config.json").is_file():
        must = "the folder of a model must have a config.json"
        raise DataError(f"{name} has no config.json", where=where, must=must)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"config.json of {name} cannot be read: {error}", where=where) from None
    kind = config.get("model_type") if isinstance(config, dict) else None
    if not kind:
        must = "its config.json must have a model_type"
        raise DataError(f"{name} is not a model of transformers", where=where, must=must)
    return folder


def check_weights(name: str, *, where: str) -> None:
    """Refuse a local model whose weights are missing or cut off; those of the hub come later.

    Raises:
        DataError: So it is.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return
    files = sorted(folder.glob("*.safetensors"))
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
        lost = sorted(shards - {file.name for file in files})
        if lost:
            must = f"{index.name} lists {len(shards)} files of weights"
            raise DataError(f"{name} has no {lost[0]}", where=where, must=must)
    if not files and not list(folder.glob("pytorch_model*.bin")):
        raise DataError(
            f"{name} has no weights",
            where=where,
            must="there must be model.safetensors beside config.json",
            remedy="write it there by model.save_pretrained(FOLDER)",
        )
    for file in files:
        _check_length(file, where)


def _check_length(file: Path, where: str) -> None:
    """Compare a file's length with what its header says."""
    length, said = file.stat().st_size, -1
    with file.open("rb") as opened, suppress(ValueError, KeyError, TypeError, struct.error):
        (size,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(min(size, length)))
        header.pop("__metadata__", None)
        said = 8 + size + max((each["data_offsets"][1] for each in header.values()), default=0)
    if said != length:
        told = f"its header says {said}" if said >= 0 else "its header is cut off"
        raise DataError(
            f"{file} has {length} bytes, and {told}",
            where=where,
            must="it must be a whole file of safetensors",
            remedy="copy or download it again",
        )


def load_tokenizer(folder: Path, *, where: str, fast: bool = True) -> Any:
    """Give the tokenizer of a model.

    Raises:
        DataError: It has none that can be read.
        EnvironmentProblem: transformers is not installed.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError:
        remedy = "type pip install 'raygen[torch,finetune]'"
        raise EnvironmentProblem("transformers is not installed", remedy=remedy) from None
    files = [file.name for file in folder.iterdir()]
    known = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")
    if not set(known) & {*files, *("spiece.model" for f in files if f.endswith(".model"))}:
        raise DataError(
            f"{folder} has no tokenizer",
            where=where,
            must=f"there must be one of {', '.join(known)} beside config.json",
            remedy="write it there by tokenizer.save_pretrained(FOLDER)",
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        told = " ".join(str(error).split())[:200]
        raise DataError(f"the tokenizer of {folder} cannot be read: {told}", where=where) from None
    if fast and not tokenizer.is_fast:
        must = "it must have a tokenizer.json"
        raise DataError(f"the tokenizer of {folder} is a slow one", where=where, must=must)
    return tokenizer


def _has_parent(folder: Path) -> bool:
    return folder.parent != Path() and folder.parent.is_dir()


def _is_hub_name(name: str) -> bool:
    owner, _, rest = name.partition("/")
    return bool(owner and rest) and "/" not in rest and not name.startswith((".", "~", "/"))


def _with_owner(name: str) -> str:
    """Name a well-known model by its owner too, as the hub has it."""
    owners = (owner for start, owner in _OWNERS.items() if name.startswith(start))
    owner = next(owners, "") if "/" not in name else ""
    return f"did you mean {owner}/{name}?" if owner else ""


def _from_hub(name: str, where: str) -> Path:
    """Fetch config and tokenizer, or take what the cache has of them."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
    except ImportError:
        remedy = "type pip install 'raygen[torch,finetune]'"
        raise EnvironmentProblem("huggingface_hub is not installed", remedy=remedy) from None
    try:
        return Path(snapshot_download(name, allow_patterns=list(_SMALL)))
    except RepositoryNotFoundError:
        must = "it must be a folder, or an owner/name of the Hugging Face hub"
        raise ConfigError(f"there is no model {name!r}", where=where, must=must) from None
    except (OSError, HfHubHTTPError, ValueError, RuntimeError) as error:
        told = (str(error).splitlines() or [""])[0][:200]
        raise DataError(
            f"{name} cannot be had from the Hugging Face hub ({told})",
            where=where,
            must="it must be a folder, or a model of the hub that can be reached",
            remedy="give the path of a folder that holds it",
        ) from None
