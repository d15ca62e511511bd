"""Which texts of a table are for training, and which for the test?"""

from __future__ import annotations

from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.finetune.fragments.frame_file import read_frame

TEXT = "text"


def cut_texts(path: str) -> tuple[list[str], list[str]]:
    """The texts of the training rows, and those of the test rows."""
    train, test = cut_test_rows(read_frame(path, [TEXT]))
    return train[TEXT].tolist(), test[TEXT].tolist()


def read_texts(path: str) -> list[str]:
    """The texts of a table."""
    texts: list[str] = read_frame(path, [TEXT])[TEXT].tolist()
    return texts
