"""How are documents read with their summaries, of which a document may have several?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.finetune.fragments.frame_file import read_frame
from raygen.finetune.fragments.summaries_prompted import encode_summaries

DATA = "data/dialogsum.parquet"
DOCUMENT = "document"
TARGET = "summary"


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load documents and summaries as token numbers: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path, [DOCUMENT]))
    x, y = encode_summaries(train[DOCUMENT], references(train))
    return x, y, *encode_summaries(test[DOCUMENT], references(test))


def read_inputs(path: str) -> np.ndarray:
    """Read the documents to summarize from a file with the same column of documents."""
    documents = read_frame(path, [DOCUMENT])[DOCUMENT]
    return encode_summaries(documents, [[""]] * len(documents))[0]


def references(frame: pd.DataFrame) -> list[list[str]]:
    """The summaries of each row, as many as the row with most has; the first is learnt."""
    found = [[cell] if isinstance(cell, str) else list(cell) for cell in frame[TARGET]]
    most = max((len(cell) for cell in found), default=1)
    return [cell + [""] * (most - len(cell)) for cell in found]
