"""How does a data set that a URI names come to this machine?"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def fetch(uri: str) -> str:
    """Copy a file or folder to this machine, once for each state of it; a path stays as it is.

    Copies lie in the folder that DATASET_CACHE names, or in ~/.cache/datasets.
    """
    scheme, is_uri, _ = uri.partition("://")
    if not is_uri:
        return uri
    told = uri.partition("?")[0]  # what follows may be a secret
    try:
        import fsspec

        store, root = fsspec.url_to_fs(uri)
        return str(root) if scheme == "file" else copy_once(store, root, uri)
    except ImportError as error:
        backends = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hdfs": "pyarrow"}
        backends |= dict.fromkeys(("az", "abfs"), "adlfs")
        backend = backends.get(scheme, "aiohttp" if scheme.startswith("http") else f"({error})")
        raise FileNotFoundError(f"{told} cannot be read: pip install fsspec {backend}") from error
    except Exception as error:  # each store has errors of its own
        first = error.__cause__ or error  # what a server said, where it is told as another error
        reason = " ".join(f"{type(first).__name__}: {first}".split()).replace(uri, told)
        raise FileNotFoundError(f"{told} cannot be read ({reason})") from error


def copy_once(store: Any, root: str, uri: str) -> str:
    """Copy what the store has, unless it is here; the first process copies, others wait."""
    files = list_files(store, root)
    digest = hashlib.sha256(repr((uri, sorted(files.items()))).encode()).hexdigest()[:32]
    cache = Path(os.environ.get("DATASET_CACHE") or "~/.cache/datasets").expanduser()
    whole, draft = cache / digest, cache / f"{digest}.part"
    place = draft / (Path(unquote(urlsplit(uri).path)).name or "data")
    if not whole.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"{digest}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                print(f"copying {uri.partition('?')[0]} to {whole}", file=sys.stderr)
                shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
                for name, (size, _) in files.items():
                    target = place.joinpath(*parts_below(root, name))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    store.get_file(name, str(target))
                    if size not in ("None", str(target.stat().st_size)):
                        raise OSError(f"{name} has {size} bytes, {target.stat().st_size} came")
                draft.rename(whole)
    return str(whole / place.name)


def parts_below(root: str, name: str) -> list[str]:
    """The names of a file and the folders that it lies in, from a root on; none for the root."""
    below = name[len(root) :]
    parts = (unquote(below) if root.startswith("http") else below).strip("/").split("/")
    if ".." in parts:
        raise ValueError(f"{name} would lie outside of the copy")
    return [part for part in parts if part]


def list_files(store: Any, root: str) -> dict[str, tuple[str, str]]:
    """All files below a root, or the root itself: the size of each, and what tells its state."""
    store.invalidate_cache()
    told = {root: store.info(root)}
    if told[root]["type"] == "directory" or told[root].get("mimetype") == "text/html":
        found = store.find(root, detail=True)  # consoles mark folders by empty files named so
        folders = {name[:end] for name in found for end, sign in enumerate(name) if sign == "/"}
        told = {name: info for name, info in found.items() if name.rstrip("/") not in folders}
    states = ("ETag", "etag", "Last-Modified", "LastModified", "last_modified", "mtime", "created")
    files = {}
    for name, info in told.items():
        known = info if info.get("size") is not None else store.info(name)  # a web server's list
        state = next((str(known[key]) for key in states if known.get(key)), "")
        files[name] = (str(known.get("size")), state)
    if not files:
        raise FileNotFoundError("nothing is there")
    return files
