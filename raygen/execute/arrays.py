"""Arrays shared by all trials of a node: written once, then mapped into memory, never copied."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from raygen.execute.reading import NAMES, Reading


def share_arrays(arrays: Mapping[str, np.ndarray] | Reading, key: str) -> Path:
    """Write arrays to this node's scratch folder, unless another worker has.

    Args:
        arrays: What Ray's object store holds, or how they are read.
        key: Fingerprint of the content: the same key, the same arrays.

    Returns:
        The folder to give to ``map_arrays``.
    """
    folder = _own_scratch() / key
    if not isinstance(arrays, Reading):
        return folder if _holds(folder, arrays) else _write(arrays, folder)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one reads them, the others wait for it
        return folder if _holds(folder, NAMES) else _write(arrays.load(), folder)


def _holds(folder: Path, names: Iterable[str]) -> bool:
    return all((folder / f"{name}.npy").exists() for name in names)


def _write(arrays: Mapping[str, np.ndarray], folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)  # what an age-based clean-up of /tmp has left
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    for name, array in arrays.items():
        np.save(draft / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    try:
        draft.rename(folder)
    except OSError:  # another worker of this node was faster
        for file in draft.iterdir():
            file.unlink()
        draft.rmdir()
    return folder


def forget_arrays(key: str) -> None:
    """Remove this node's copy of arrays that no run needs any more."""
    folder = _own_scratch() / key
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".lock").unlink(missing_ok=True)


def map_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Map the arrays of a folder into memory, read-only."""
    return {
        file.stem: np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
        for file in folder.glob("*.npy")
    }


def _own_scratch() -> Path:
    """A folder that only this user can write to, so that nobody can plant arrays there."""
    folder = Path(tempfile.gettempdir()) / f"raygen-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        return Path(tempfile.mkdtemp(prefix="raygen-"))
    return folder
