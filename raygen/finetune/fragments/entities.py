"""How well are the entities found that tags such as B-PER and I-PER mark?"""

from __future__ import annotations

import numpy as np

CLASSES = ("B-PER", "I-PER", "O")


def entity_scores(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Score whole entities: their ends and their kind must be right, as conlleval has it.

    Args:
        y: Places in CLASSES where a word begins, -100 elsewhere: (rows, length).
        p: Predicted places in CLASSES.
    """
    right, found = entities(y, y), entities(p, y)
    scores = {f"f1_{kind}": f1_of(right, found, kind) for kind in sorted({e[1] for e in right})}
    hits = len(right & found)
    return {
        "entity_f1": f1_of(right, found),
        "entity_precision": hits / max(1, len(found)),
        "entity_recall": hits / max(1, len(right)),
        "token_accuracy": float((p == y)[y != -100].mean()),
        **scores,
    }


def f1_of(
    right: set[tuple[int, str, int, int]], found: set[tuple[int, str, int, int]], kind: str = ""
) -> float:
    """The harmonic mean of precision and recall of the entities of a kind, or of all."""
    right = {each for each in right if kind in ("", each[1])}
    found = {each for each in found if kind in ("", each[1])}
    return 2 * len(right & found) / max(1, len(right) + len(found))


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
