"""How is a table read that does not fit into memory?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raygen.finetune.fragments.text_classification import load_data

DATA = "data/phrasebank.parquet"
PART_ROWS = 10_000


def load_in_parts(path: str = DATA) -> tuple[np.ndarray, ...]:
    """Load a part of the table after the other, as ``load_data`` loads the whole.

    The arrays lie on the disk and are mapped into memory: x, y, x_test, y_test. Their files have
    no names any more, and are gone with this process.
    """
    with tempfile.TemporaryDirectory() as folder:
        stores = [Path(folder) / name for name in ("x", "y", "x_test", "y_test")]
        kinds = [np.zeros(0) for _ in stores]
        for part in parts_of(path, folder):
            for place, array in enumerate(load_data(part)):
                if len(array):
                    kinds[place] = array[:0]
                    with stores[place].open("ab") as file:
                        array.tofile(file)
        return tuple(
            np.memmap(store, kind.dtype, "r").reshape(-1, *kind.shape[1:])
            for store, kind in zip(stores, kinds, strict=True)
        )


def parts_of(path: str, folder: str) -> Iterator[str]:
    """Write the table as files of PART_ROWS rows, one at a time."""
    part = Path(folder) / f"part{Path(path).suffix}"
    if path.endswith(".parquet"):
        for batch in pq.ParquetFile(path).iter_batches(PART_ROWS):
            pq.write_table(pa.Table.from_batches([batch]), part)
            yield str(part)
    elif path.endswith(".jsonl"):
        with Path(path).open(encoding="utf-8") as lines:
            while rows := "".join(islice(lines, PART_ROWS)):
                part.write_text(rows, encoding="utf-8")
                yield str(part)
    else:
        for frame in pd.read_csv(path, dtype=str, keep_default_na=False, chunksize=PART_ROWS):
            frame.to_csv(part, index=False)
            yield str(part)
