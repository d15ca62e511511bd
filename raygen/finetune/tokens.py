"""How many tokens has a row, how many are kept, and what fills the rest?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raygen.data.request import Request
from raygen.finetune.anatomy import Anatomy

MOST_COUNTED = 20_000
"""Rows whose tokens are counted."""


def padding(tokenizer: Any) -> int:
    """The number of the token that fills rows; models of text alone may have none of their own."""
    found = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    return int(next(number for number in found if number is not None))


def longest_row(anatomy: Anatomy, tokenizer: Any, reserved: int) -> int:
    """The longest row that model and tokenizer take; unknown ones say 10 ** 30."""
    known = [n for n in (anatomy.max_length, tokenizer.model_max_length) if 0 < n < 10**9]
    return min(known, default=4096) - reserved


def kept_length(request: Request, lengths: Sequence[int], longest: int) -> tuple[int, str]:
    """Tokens that are kept of a row, and what that cuts; told is nothing if it cuts nothing.

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
    kept = given or min(longest, max(lengths))
    count = sum(length > kept for length in lengths)
    if not count:
        return kept, ""
    percent = 100 * count / len(lengths)
    share = f"{count} of {len(lengths)} texts ({percent:{'.0f' if percent >= 10 else '.2g'}} %)"
    return kept, f"{share} are longer than {kept} tokens, the longest {max(lengths)}: they are cut"
