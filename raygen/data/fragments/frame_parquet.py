"""How is a table read from a parquet file?"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd


def read_frame(path: str, as_text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a .parquet file; or a .csv file, some columns as text even if they hold digits."""
    if path.endswith(".csv"):
        return pd.read_csv(path, dtype=dict.fromkeys(as_text, str))
    return pd.read_parquet(path)
