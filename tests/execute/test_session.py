"""Is a cluster that is not there told at once, and is the token of one's own for nobody else?"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raygen.errors import EnvironmentProblem
from raygen.execute import session


@pytest.mark.parametrize("address", ["http://a:8265", "ray://a:10001", "foo", "a:b", "a:99999"])
def test_what_is_no_address_is_told(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Ray would raise, or look for it for minutes."""
    monkeypatch.setenv("RAY_ADDRESS", address)
    session.connect.cache_clear()

    with pytest.raises(EnvironmentProblem, match=f"RAY_ADDRESS={address}: it is no address"):
        session.connect()


def test_nobody_at_an_address_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"{'a' * 64}:6379", "..:6379"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        session.connect.cache_clear()
        with pytest.raises(EnvironmentProblem, match=r"no connection to the Ray cluster: "):
            session.connect()


@pytest.mark.ray
def test_the_token_of_a_new_user_is_for_nobody_else(tmp_path: Path) -> None:
    """Ray reads the one that was made, and makes no other."""
    program = (
        "from raygen.execute.session import connect\n"
        "ray = connect()\n"
        "print(ray.get(ray.remote(lambda: 7).remote()))\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    token = tmp_path / ".ray" / "auth_token"
    assert done.stdout.strip() == "7", done.stderr
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(token.read_text()) == 64
    assert token.stat().st_mtime > time.time() - 120
