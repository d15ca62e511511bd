"""How well are the entities found that tags such as B-PER and I-PER mark?"""

from __future__ import annotations

import numpy as np

CLASSES = ("B-PER", "I-PER", "O")


def entity_scores(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Score whole entities, all and of each kind: both ends must be right, as conlleval has it.

    Args:
        y: Places in CLASSES where a word begins, -100 elsewhere: (rows, length).
        p: Predicted places in CLASSES.
    """
    all_right, all_found = entities(y, y), entities(p, y)
    scores = {"token_accuracy": float((p == y)[y != -100].mean())}
    for kind in ("", *sorted({each[1] for each in all_right})):
        right, found = ({e for e in them if kind in ("", e[1])} for them in (all_right, all_found))
        hits, name = len(right & found), kind or "entity"
        scores[f"{name}_f1"] = 2 * hits / max(1, len(right) + len(found))
        scores[f"{name}_precision"] = hits / max(1, len(found))
        scores[f"{name}_recall"] = hits / max(1, len(right))
    return scores


def entities(tags: np.ndarray, y: np.ndarray) -> set[tuple[int, str, int, int]]:
    """The entities of tagged rows: row, kind, first word, word after the last."""
    found = set()
    for row, (places, given) in enumerate(zip(tags, y, strict=True)):
        words = [CLASSES[place] for place in places[given != -100]]
        begin, kind = 0, ""
        for end, tag in enumerate([*words, "O"]):
            prefix, _, own = tag.partition("-")
            if kind and (prefix in ("B", "O") or own != kind):
                found.add((row, kind, begin, end))
                kind = ""
            if prefix in ("B", "I") and not kind:
                begin, kind = end, own
    return found
