"""How is a table read from a csv file?"""

from __future__ import annotations

import pandas as pd

AS_TEXT = ("color",)


def read_frame(path: str) -> pd.DataFrame:
    """Read a .csv file, AS_TEXT as text even where it holds digits only; or a .parquet file."""
    if path.endswith(".parquet"):
        return pd.read_parquet(path)
    return pd.read_csv(path, dtype=dict.fromkeys(AS_TEXT, str))
