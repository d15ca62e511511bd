"""How is a table read from a parquet file?"""

from __future__ import annotations

import pandas as pd


def read_frame(path: str) -> pd.DataFrame:
    """Read a .parquet or a .csv file."""
    return pd.read_csv(path) if path.endswith(".csv") else pd.read_parquet(path)
