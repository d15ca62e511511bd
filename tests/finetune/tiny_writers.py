"""Tiny random models that write text, with a tokenizer of whole words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NOUNS = ("cat", "dog", "bird", "fish", "horse", "mouse")
SAYS = ("meow", "woof", "tweet", "blub", "neigh", "squeak")
WORDS = ("the", "a", "says", "what", "runs", "sees", "Summary", ":", "user", "assistant")
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
CHAT = (
    "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }} </s> {% endfor %}"
    "{% if add_generation_prompt %}assistant :{% endif %}"
)


def words_tokenizer(folder: Path, *, chat: bool = False, ends: bool = False) -> int:
    """Save a tokenizer of whole words, which may end each text; returns how many there are."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {w: i for i, w in enumerate((*SPECIAL, *WORDS, *NOUNS, *SAYS))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if ends:
        end = [("</s>", 3)]
        words.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=end)
    names = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), SPECIAL, strict=True))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=64, **names)
    if chat:
        tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    return len(vocabulary)


def tiny_llama(folder: Path, *, chat: bool = False) -> Path:
    """Save a decoder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=words_tokenizer(folder, chat=chat),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def tiny_t5(folder: Path) -> Path:
    """Save an encoder with a decoder."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(
        vocab_size=words_tokenizer(folder, ends=True),
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=3,
        decoder_start_token_id=0,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def section(model: Path, *, method: str = "full", **training: Any) -> dict[str, Any]:
    """The section ``model`` of a config that learns fast."""
    settings = {"learning_rate": 1e-2, "batch_size": 16, "warmup_epochs": 0.2, **training}
    return {"pretrained": str(model), "method": method, "training": settings}
