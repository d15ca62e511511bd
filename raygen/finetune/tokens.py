"""How many tokens has a row, how many are kept, and what fills the rest?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raygen.data.request import Request
from raygen.finetune.anatomy import Anatomy

MOST_COUNTED = 20_000
"""Rows whose tokens are counted."""


@dataclass(frozen=True)
class Lengths:
    """Tokens of rows before any is cut."""

    texts: Sequence[int] = ()
    """Of what a row begins with: its text, or its prompt with all that stands around it."""
    answers: Sequence[int] = ()
    """Of the longer answer of each row and its end; none where a row is one text."""

    @property
    def longest(self) -> int:
        """Room in which nothing is cut: every row has that of the longest answer."""
        return max(self.texts) + max(self.answers, default=0)

    def answer_room(self, kept: int) -> int:
        """What answers get of so many tokens: half, or all that the longest prompt leaves."""
        return min(max(self.answers, default=0), max(kept // 2, kept - max(self.texts)))

    def told_cut(self, kept: int) -> str:
        """How many rows are cut to so many tokens; nothing if none is."""
        room, told = self.answer_room(kept), f"{kept} tokens, the longest {max(self.texts)}"
        cut = [text > kept - room for text in self.texts]
        if self.answers:
            cut = [c or answer > room for c, answer in zip(cut, self.answers, strict=True)]
            told = (
                f"{kept} tokens, {room} of them for answers, "
                f"the longest {max(self.texts)} and {max(self.answers)}"
            )
        if not (count := sum(cut)):
            return ""
        percent = 100 * count / len(cut)
        share = f"{count} of {len(cut)} texts ({percent:{'.0f' if percent >= 10 else '.2g'}} %)"
        return f"{share} are longer than {told}: they are cut"


def padding(tokenizer: Any) -> int:
    """The number of the token that fills rows; models of text alone may have none of their own."""
    found = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    return int(next(number for number in found if number is not None))


def highest_token(tokenizer: Any) -> int:
    """The highest number that a text or a chat can get.

    Tokens that were added for other purposes, such as that of an image, are none of a text's.
    """
    named = (f"{name}_token_id" for name in ("bos", "eos", "unk", "sep", "pad", "cls"))
    ends, template = {getattr(tokenizer, name) for name in named}, tokenizer.chat_template or ""
    added = tokenizer.added_tokens_decoder
    other = {n for n, token in added.items() if token.special and token.content not in template}
    return max(set(tokenizer.get_vocab().values()) - (other - ends), default=0)


def longest_row(anatomy: Anatomy, tokenizer: Any, reserved: int) -> int:
    """The longest row that model and tokenizer take; unknown ones say 10 ** 30."""
    known = [n for n in (anatomy.max_length, tokenizer.model_max_length) if 0 < n < 10**9]
    return min(known, default=4096) - reserved


def kept_length(request: Request, lengths: Lengths, longest: int) -> int:
    """Tokens that are kept of a row.

    Raises:
        ConfigError: More are asked for than the model takes.
    """
    given = request.dataset.max_length
    if longest < 2:
        raise request.config_error(
            f"the tokens of the method leave {max(0, longest)} for texts",
            key="model.method",
            must="fewer must be taken than the model has room for",
            remedy="lower its setting tokens",
        )
    if given is not None and given > longest:
        raise request.config_error(
            f"{given} given",
            key="task.dataset.max_length",
            must=f"the model takes at most {longest} tokens",
        )
    return given or min(longest, lengths.longest)
