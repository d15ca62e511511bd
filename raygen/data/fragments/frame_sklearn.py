"""How is a table read that comes with scikit-learn?"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import sklearn.datasets


def read_frame(path: str, as_text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a table of scikit-learn by its name, or a .csv or .parquet file.

    Of a .csv file some columns are read as text even if they hold digits.
    """
    if path.endswith(".csv"):
        return pd.read_csv(path, dtype=dict.fromkeys(as_text, str))
    if path.endswith(".parquet"):
        return pd.read_parquet(path)
    frame: pd.DataFrame = getattr(sklearn.datasets, f"load_{path}")(as_frame=True).frame
    return frame
