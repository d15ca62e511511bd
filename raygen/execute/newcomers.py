"""Can nodes that join later work for a run? They are asked, and those that cannot are shunned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from raygen.execute.leaving import leaving_nodes
from raygen.execute.shared_folder import Inquiry

_PATIENCE_S = 10.0


class Newcomers:
    """Asks each node once, without waiting for its answer.

    Args:
        folder: Of the run, which they must see.
        say: Takes a line about each that cannot be used.
        known: Numbers of nodes that have been asked already, and can be used.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], known: Iterable[str] = ()) -> None:
        self._inquiry, self._say = Inquiry(folder), say
        self._known, self._shunned, self._told = set(known), set[str](), set[str]()

    @property
    def shunned(self) -> frozenset[str]:
        """The numbers of nodes that cannot be used, as far as is known."""
        return frozenset(self._shunned)

    def usable(self, nodes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Those of the nodes that can be used; new ones are asked, and can be used later.

        Args:
            nodes: As Ray tells them, those that are there.
        """
        nodes, leaving = list(nodes), leaving_nodes()
        for number, problem in self._inquiry.answers():
            if problem is None:
                self._known.add(number)
            else:
                self._shunned.add(number)
                self._say(f"not used: {problem}; join it again when that is done")
        for node in nodes:
            if node["NodeID"] not in self._known | self._shunned | self._inquiry.open:
                self._inquiry.ask(dict(node))
            if node["NodeID"] in leaving - self._told:
                self._told.add(node["NodeID"])
                address = node["NodeManagerAddress"]
                self._say(f"node {address} is about to be taken away; its trials go on elsewhere")
        return [node for node in nodes if node["NodeID"] in self._known - leaving]

    def settle(self) -> None:
        """Ask all nodes that are there, and wait for their answers a while."""
        import ray

        until = time.monotonic() + _PATIENCE_S
        self.usable(node for node in ray.nodes() if node["Alive"])
        while self._inquiry.open and time.monotonic() < until:
            time.sleep(0.05)
            self.usable(())

    def close(self) -> None:
        """Leave nothing in the folder."""
        self._inquiry.close()


def elsewhere(shunned: Iterable[str]) -> dict[str, str]:
    """The labels by which Ray keeps off nodes; empty where there are none to keep off."""
    numbers = ",".join(sorted(shunned))
    return {"ray.io/node-id": f"!in({numbers})"} if numbers else {}
