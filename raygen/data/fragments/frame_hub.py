"""How is a data set of the Hugging Face hub read?"""

from __future__ import annotations

from collections.abc import Iterable

import datasets
import pandas as pd


def read_frame(path: str, as_text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a data set of the hub, its splits named in a column; or a .csv or .parquet file.

    Of a .csv file some columns are read as text even if they hold digits.
    """
    if path.endswith(".csv"):
        return pd.read_csv(path, dtype=dict.fromkeys(as_text, str))
    if path.endswith(".parquet"):
        return pd.read_parquet(path)
    splits = datasets.load_dataset(*path.split(":"))  # owner/name, or owner/name:configuration
    frames = [rows.to_pandas().assign(split=name) for name, rows in splits.items()]
    frame: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return frame
