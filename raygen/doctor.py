"""What does this machine have, and which of it is known not to work together?"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from raygen.machine import count_cpus, count_gpus

_PACKAGES = {
    "ray": "pip install 'ray[tune,train]'",
    "torch": "pip install 'raygen[torch]'",
    "tensorflow": "pip install 'raygen[tensorflow]'",
    "keras": "pip install 'raygen[tensorflow]'",
    "hyperopt": "pip install hyperopt",
    "scikit-optimize": "pip install 'raygen[skopt]'",
    "bayesian-optimization": "pip install 'raygen[bayesopt]'",
    "scikit-learn": "pip install scikit-learn",
    "pandas": "pip install pandas",
    "pyarrow": "pip install pyarrow",
    "datasets": "pip install 'raygen[hub]'",
    "numpy": "pip install numpy",
}
_OPTIONAL = {"scikit-optimize", "bayesian-optimization", "datasets", "tensorflow", "keras", "torch"}


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    subject: str
    told: str
    remedy: str = ""
    """What to type; empty where nothing is wrong."""
    serious: bool = False
    """Whether RayGen cannot work like this."""

    @property
    def line(self) -> str:
        """As it is printed."""
        mark = "no" if self.serious else "--" if self.remedy else "ok"
        remedy = f"  -> {self.remedy}" if self.remedy else ""
        return f"{mark}  {self.subject:22} {self.told}{remedy}"


def examine() -> list[Finding]:
    """Look at the machine and at the installed packages, without importing any of them."""
    return [*_machine(), *(_package(*row) for row in _PACKAGES.items()), *_combinations()]


def verdict(findings: Sequence[Finding]) -> bool:
    """Whether RayGen can work here."""
    return not any(finding.serious for finding in findings)


def _machine() -> list[Finding]:
    free = shutil.disk_usage(".").free / 1e9
    memory = _memory_gb()
    gpus = count_gpus()
    return [
        Finding("python", f"{platform.python_version()} on {platform.system()}"),
        Finding("cpus", f"{count_cpus()} for this process"),
        Finding("gpus", f"{gpus} found" if gpus else "none found; trials run on CPUs"),
        Finding("memory", f"{memory:.1f} GB" if memory else "unknown"),
        Finding(
            "disk",
            f"{free:.1f} GB free here",
            remedy="free some space, or use --run-dir on another disk" if free < 2 else "",
        ),
    ]


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError, AttributeError):
        return 0.0


def _package(name: str, remedy: str) -> Finding:
    found = _version(name) or (_version("tensorflow-cpu") if name == "tensorflow" else "")
    if found:
        return Finding(name, found)
    return Finding(name, "not installed", remedy=remedy, serious=name not in _OPTIONAL)


def _combinations() -> list[Finding]:
    """Sets of packages that are known to fail together."""
    findings = []
    if not _version("torch") and not (_version("tensorflow") or _version("tensorflow-cpu")):
        findings.append(
            Finding("framework", "neither", remedy="pip install 'raygen[torch]'", serious=True)
        )
    if "+cpu" in _version("torch") and _version("torchvision"):
        findings.append(
            Finding(
                "torch + torchvision",
                "torchvision beside a CPU build of torch fails: operator torchvision::nms",
                remedy="pip uninstall torchvision",
            )
        )
    if os.environ.get("RAY_ADDRESS"):
        findings.append(Finding("RAY_ADDRESS", os.environ["RAY_ADDRESS"]))
    if sys.platform == "win32":
        findings.append(
            Finding("system", "Windows", remedy="use WSL: workers need fork", serious=True)
        )
    return findings


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
