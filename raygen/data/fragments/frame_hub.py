"""How is a data set of the Hugging Face hub read?"""

from __future__ import annotations

import datasets
import pandas as pd


def read_frame(path: str) -> pd.DataFrame:
    """Read a data set of the hub, its splits named in a column; or a .csv or .parquet file."""
    if path.endswith((".csv", ".parquet")):
        return pd.read_csv(path) if path.endswith(".csv") else pd.read_parquet(path)
    splits = datasets.load_dataset(*path.split(":"))  # owner/name, or owner/name:configuration
    frames = [rows.to_pandas().assign(split=name) for name, rows in splits.items()]
    frame: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return frame
