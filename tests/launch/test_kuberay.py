"""Are the manifests of a run valid, and is a job on Kubernetes asked for and stopped?"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from raygen.launch.cluster_file import read_cluster
from raygen.launch.kuberay import job_name, manifests
from raygen.launch.order import Order

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "kuberay_job.yaml"
SCHEMAS = ROOT.parent / "shared" / "data" / "kuberay_crds"
SUBMIT = ("submit", "config.yaml", "--cluster", "kuberay.yaml")
KUBECTL = """#!{python}
import json, sys
path = {jobs!r}
state = json.load(open(path))
state["calls"].append(sys.argv[1:])
if "create" in sys.argv and state["status"]:
    sys.exit("Error from server (AlreadyExists): rayjobs.ray.io already exists")
elif "create" in sys.argv or "apply" in sys.argv:
    state["applied"] += sys.stdin.read()
elif "events" in sys.argv:
    about = {{"name": "raygen-digits-workers-x"}}
    print(json.dumps({{"items": [{{"involvedObject": about, "message": "0/3 nodes: no GPU"}}]}}))
elif "get" in sys.argv:
    if state["status"] is None:
        sys.exit("Error from server (NotFound): rayjobs.ray.io not found")
    print(json.dumps({{"status": state["status"]}}))
json.dump(state, open(path, "w"))
"""


def rendered(folder: Path) -> str:
    """What the shipped file makes of a run."""
    config = folder / "config.yaml"
    config.write_text("task: {name: ImageClassification, dataset: {name: digits}}\n")
    _, cluster, _ = read_cluster(ROOT / "cluster" / "kuberay.yaml")
    order = Order(
        name="My digits.1",
        verb=("generate", "--config"),
        config=config,
        overrides=("search.trials=8; reboot",),
        here=folder,
        run=folder / "runs",
        output=folder / "model.py",
        log=folder / "log.txt",
    )
    return manifests(cluster, order)  # type: ignore[arg-type]  # the file is one of KubeRay


def test_text_is_that_of_the_golden_file(tmp_path: Path) -> None:
    """RAYGEN_GOLDEN=1 writes it anew for a review."""
    if os.environ.get("RAYGEN_GOLDEN"):
        GOLDEN.write_text(rendered(tmp_path), encoding="utf-8")

    assert rendered(tmp_path) == GOLDEN.read_text(encoding="utf-8")


def test_manifests_fit_the_operators_schemas(tmp_path: Path) -> None:
    """No field is unknown to it, and each is of its type."""
    jsonschema = pytest.importorskip("jsonschema")
    if not SCHEMAS.is_dir():
        pytest.skip("the operator's schemas are not there (../shared/data/kuberay_crds)")
    crd = yaml.safe_load((SCHEMAS / "ray.io_rayjobs.yaml").read_text(encoding="utf-8"))
    versions = {each["name"]: each["schema"]["openAPIV3Schema"] for each in crd["spec"]["versions"]}
    validator = jsonschema.Draft202012Validator(strict(versions["v1"]["properties"]["spec"]))
    _, job = yaml.safe_load_all(rendered(tmp_path))

    assert [error.message for error in validator.iter_errors(job["spec"])] == []
    job["spec"]["shutDownAfterJobFinishes"] = True
    assert [error.message for error in validator.iter_errors(job["spec"])] != []


def strict(schema: Any) -> Any:
    """An OpenAPI schema as a JSON schema in which no unknown field is let through."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: {name: strict(each) for name, each in value.items()}
        if key == "properties"
        else strict(value)
        if key in ("items", "additionalProperties")
        else value
        for key, value in schema.items()
        if not key.startswith("x-kubernetes") and key not in ("nullable", "default")
    }
    if schema.get("x-kubernetes-int-or-string"):
        found.pop("type", None)
        found["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if "properties" in found and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


def test_words_of_the_command_stay_words(tmp_path: Path) -> None:
    """What stands in a value cannot become a command of its own."""
    _, job = yaml.safe_load_all(rendered(tmp_path))

    words = shlex.split(job["spec"]["entrypoint"])

    assert words[-2:] == ["--set", "search.trials=8; reboot"]
    assert words[:5] == ["python", "-m", "raygen", "generate", "--config"]


@pytest.mark.parametrize(
    ("run", "name"), [("digits", "raygen-digits"), ("My run_1.", "raygen-my-run-1")]
)
def test_names_are_as_kubernetes_has_them(run: str, name: str) -> None:
    """Lower case, digits and dashes, at most 40."""
    assert job_name(run) == name
    assert len(job_name("x" * 90)) == 40


def test_a_job_is_submitted_asked_for_and_stopped(
    place: Path, raygen: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why it waits is told in the scheduler's words; stop deletes it."""
    jobs, program = place / "jobs.json", place / "kubectl"
    jobs.write_text(json.dumps({"calls": [], "status": {}, "applied": ""}))
    program.write_text(KUBECTL.format(python=sys.executable, jobs=str(jobs)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    (place / "kuberay.yaml").write_text("kuberay: {image: a, claim: b}\n")

    def be(status: dict[str, str] | None) -> str:
        jobs.write_text(json.dumps({**json.loads(jobs.read_text()), "status": status}))
        return raygen("status", "runs/digits")[1]

    assert raygen(*SUBMIT)[0] == 0
    applied = json.loads(jobs.read_text())["applied"]
    assert applied.index("kind: RayJob") < applied.index("kind: ConfigMap")
    assert "job-name=raygen-digits" in raygen("logs", "runs/digits")[1]
    assert "waiting: 0/3 nodes: no GPU" in be({})
    assert "job default/raygen-digits: running" in be({"jobDeploymentStatus": "Running"})
    assert raygen("stop", "runs/digits")[0] == 0
    last = json.loads(jobs.read_text())["calls"][-1]
    assert last == ["--namespace=default", "delete", "rayjob", "raygen-digits"]
    assert "failed: it broke" in be({"jobDeploymentStatus": "Failed", "message": "it broke"})
    assert "AlreadyExists" in raygen(*SUBMIT)[1]
    assert "gone" in be(None)
