"""How is a table read that comes with scikit-learn?"""

from __future__ import annotations

import pandas as pd
import sklearn.datasets


def read_frame(path: str) -> pd.DataFrame:
    """Read a table of scikit-learn by its name, or a .csv or .parquet file."""
    if path.endswith((".csv", ".parquet")):
        return pd.read_csv(path) if path.endswith(".csv") else pd.read_parquet(path)
    frame: pd.DataFrame = getattr(sklearn.datasets, f"load_{path}")(as_frame=True).frame
    return frame
