"""How is a table read from a csv file?"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd


def read_frame(path: str, as_text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a .csv file, some columns as text even if they hold digits; or a .parquet file."""
    if path.endswith(".parquet"):
        return pd.read_parquet(path)
    return pd.read_csv(path, dtype=dict.fromkeys(as_text, str))
