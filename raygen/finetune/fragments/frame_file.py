"""How is a table read from a file?"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd


def read_frame(path: str, as_text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a .csv file, some columns as text even if they hold digits; or .jsonl, or .parquet."""
    if path.endswith(".csv"):
        return pd.read_csv(path, dtype=dict.fromkeys(as_text, str))
    return pd.read_json(path, lines=True) if path.endswith(".jsonl") else pd.read_parquet(path)
