"""How long are prompts, answers and blocks of text, and what stands around them?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from raygen.errors import DataError
from raygen.finetune.facts import Cells, Facts
from raygen.finetune.tokens import Lengths, padding

PLAIN = "{}\n"
SUMMARY = "{}\n\nSummary:\n"
_BLOCK = 256
_NEW_TOKENS = 64
_BETA = 0.1
"""Of direct preference optimization, as in its paper."""
_SCORED_ROWS = 100
"""Held-out rows for which texts are written to be scored; the loss is that of all rows."""


def texts_of(cells: Iterable[Any]) -> list[str]:
    """The cells as texts, those that are missing as empty ones."""
    return ["" if cell is None or cell != cell else str(cell) for cell in cells]


def of_blocks(facts: Facts) -> dict[str, Any]:
    """The length of the blocks that running text is cut into."""
    end, request = end_of(facts), facts.request
    new = min(_NEW_TOKENS, facts.longest // 4)
    longest = facts.longest - new
    length = request.dataset.max_length or min(_BLOCK, longest)
    if length > longest:
        must = f"the model takes {facts.longest} tokens, {new} of which are left for new ones"
        raise request.config_error(f"{length} given", key="task.dataset.max_length", must=must)
    tokens = sum(_counts(facts.tokenizer, facts.cells["text"]))
    if tokens < 2 * length * request.folds:
        raise request.data_error(
            f"{tokens} tokens are too few for {request.folds} folds of blocks of {length}",
            must=f"there must be at least {2 * length * request.folds}",
            remedy=f"give a longer text, or max_length: {max(2, tokens // (4 * request.folds))}",
        )
    return {
        "MAX_LENGTH": length,
        "NEW_TOKENS": new,
        "END": end,
        "PAD": padding(facts.tokenizer),
        "BETWEEN": [] if facts.uri.endswith(".txt") else [end],
    }


def count_blocks(facts: Facts, texts: Iterable[Any], length: int) -> int:
    """Blocks of a length that texts give."""
    between = not facts.uri.endswith(".txt")
    return -(-sum(count + between for count in _counts(facts.tokenizer, texts)) // length)


def pairs_of(template: str, prompt: str, *answers: str) -> Callable[[Any, Cells], Lengths]:
    """What counts the tokens of prompts and of their answers.

    Args:
        template: What stands around a prompt, unless the tokenizer has a template of chats.
        prompt: The key of the column of prompts.
        answers: Those of columns of answers, which may be lists.
    """

    def lengths(tokenizer: Any, cells: Cells) -> Lengths:
        around = sum(_counts(tokenizer, _around(tokenizer, template).split("{}")))
        said = [_answer_lengths(tokenizer, cells[key]) for key in answers]
        asked = [count + around for count in _counts(tokenizer, cells[prompt])]
        return Lengths(asked, [max(row) for row in zip(*said, strict=True)])

    return lengths


def of_prompts(facts: Facts, *, template: str = PLAIN) -> dict[str, Any]:
    """What stands around a prompt, and how long answers are at most."""
    return {
        "TEMPLATE": _around(facts.tokenizer, template),
        "NEW_TOKENS": facts.lengths.answer_room(facts.max_length),
        "SCORED_ROWS": _SCORED_ROWS,
        "END": end_of(facts),
    }


def of_preferences(facts: Facts) -> dict[str, Any]:
    """The same of prompts with two answers, and how far the model may go from what it was."""
    return {**of_prompts(facts), "BETA": _BETA}


def of_summaries(facts: Facts) -> dict[str, Any]:
    """The same of documents that a language model goes on with."""
    return of_prompts(facts, template=SUMMARY)


def of_text_to_text(facts: Facts) -> dict[str, Any]:
    """How long summaries are, of a model that reads documents by an encoder of their own."""
    longest = max(_answer_lengths(facts.tokenizer, facts.cells["summary"], whole=True))
    return {"NEW_TOKENS": min(longest, facts.longest), "SCORED_ROWS": _SCORED_ROWS}


def lengths_of_chats(tokenizer: Any, cells: Cells) -> Lengths:
    """Tokens of all messages but the last one that the model says, and of that one."""
    if not tokenizer.chat_template:
        return Lengths([1])  # of_chats refuses it
    asked, said = [], []
    for cell in cells["messages"]:
        *before, last = [dict(message) for message in cell]
        answers = last["role"] == "assistant"
        asked.append(before if answers else [*before, last])
        said.append(last["content"] if answers else "")
    laid_out = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    return Lengths(_counts(tokenizer, laid_out), _answer_lengths(tokenizer, said))


def of_chats(facts: Facts) -> dict[str, Any]:
    """How long the last messages of conversations are, which the tokenizer must lay out."""
    if not facts.tokenizer.chat_template:
        raise DataError(
            "the tokenizer has no template of chats",
            where=facts.where,
            must="the column of messages needs one",
            remedy="take a model that was tuned for chats, or columns prompt and answer",
        )
    return {
        "TEMPLATE": "{}",
        "NEW_TOKENS": facts.lengths.answer_room(facts.max_length),
        "END": end_of(facts),
    }


def end_of(facts: Facts) -> int:
    """The token that ends a text."""
    end = facts.tokenizer.eos_token_id
    if end is None:
        raise DataError(
            "the tokenizer has no token that ends a text",
            where=facts.where,
            must="a model that writes must have an eos_token",
            remedy="name it in tokenizer_config.json",
        )
    return int(end)


def _around(tokenizer: Any, template: str) -> str:
    """The template with what the tokenizer puts before texts, or its own one of chats."""
    if template == PLAIN and tokenizer.chat_template:
        asked = [{"role": "user", "content": "{}"}]
        found = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        return str(found)
    first = tokenizer.encode("")[:1]
    return (str(tokenizer.bos_token) if first == [tokenizer.bos_token_id] else "") + template


def _answer_lengths(tokenizer: Any, cells: Iterable[Any], *, whole: bool = False) -> list[int]:
    """Tokens of the longest answer of each cell, and its end."""
    lists = [[cell] if _is_single(cell) else list(cell) for cell in cells]
    texts = texts_of(text for answers in lists for text in answers)
    found = tokenizer(texts, add_special_tokens=whole, verbose=False)["input_ids"]
    counts = iter([len(tokens) + (not whole) for tokens in found])
    return [max(islice(counts, len(answers))) for answers in lists]


def _is_single(cell: Any) -> bool:
    return isinstance(cell, (str, float, int, type(None)))


def _counts(tokenizer: Any, cells: Iterable[Any]) -> list[int]:
    found = tokenizer(texts_of(cells), add_special_tokens=False, verbose=False)["input_ids"]
    return [len(tokens) for tokens in found]
