"""Can the Hugging Face hub be reached, and what can be done where it cannot?"""

from __future__ import annotations

import importlib.util
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from raygen.errors import EnvironmentProblem

SECONDS_TO_ANSWER = 3.0
"""How long the hub may take to answer before only its cache is used."""


@contextmanager
def hub_access(uri: str) -> Iterator[None]:
    """Let ``datasets`` load, at once from its cache where the hub does not answer.

    Raises:
        EnvironmentProblem: The package ``datasets`` is not installed.
    """
    if importlib.util.find_spec("datasets") is None:
        raise EnvironmentProblem(
            f"the data set {uri} is read by the package datasets, which is not installed",
            remedy="type: pip install 'raygen[hub]'",
        )
    if Path(uri).is_dir() or hub_answers():
        yield
    else:
        with _offline():
            yield


def hub_answers() -> bool:
    """Try to connect to the hub, or to the proxy on the way; a slow name server counts as none."""
    answered = threading.Event()

    def connect() -> None:
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        proxies = urllib.request.getproxies()
        url = urlsplit(proxies.get(urlsplit(endpoint).scheme, endpoint))
        port = url.port or (80 if url.scheme == "http" else 443)
        try:
            socket.create_connection((url.hostname, port), timeout=SECONDS_TO_ANSWER).close()
        except OSError:
            return
        answered.set()

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_ANSWER)
    return answered.is_set()


def hub_remedy(uri: str) -> str:
    """Say how to carry a data set over from a machine that has network."""
    file = f"{uri.split('/')[-1].replace(':', '_')}.parquet"
    name = ", ".join(repr(part) for part in uri.split(":"))
    return (
        f"give path: {file} instead of name:, written where there is network by: "
        f'python -c "import datasets, pandas; pandas.concat([rows.to_pandas().assign(split=name) '
        f"for name, rows in datasets.load_dataset({name}).items()]).to_parquet('{file}')\""
    )


@contextmanager
def _offline() -> Iterator[None]:
    """Keep ``datasets`` from trying again and again, whether it is imported yet or not."""
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    import datasets.config
    import huggingface_hub.constants

    switches: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    states = [switch.HF_HUB_OFFLINE for switch in switches]
    try:
        for switch in switches:
            switch.HF_HUB_OFFLINE = True
        yield
    finally:
        for switch, state in zip(switches, states, strict=True):
            switch.HF_HUB_OFFLINE = state and before is not None
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before
