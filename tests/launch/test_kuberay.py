"""Are the manifests of a run valid, and is a job on Kubernetes asked for and stopped?"""

from __future__ import annotations

import json
import os
import re
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
import atexit, json, subprocess, sys
path = {jobs!r}
state = json.load(open(path))
words = [word for word in sys.argv[1:] if not word.startswith("--namespace")]
state["calls"].append(sys.argv[1:])
atexit.register(lambda: json.dump(state, open(path, "w")))



def now(key):  # of several answers the next; the last stays
    answers = state[key] if isinstance(state[key], list) else [state[key]]
    return answers.pop(0) if len(answers) > 1 else answers[0]


if words[0] == "create" and state["status"] and "RayJob" in (text := sys.stdin.read()):
    sys.exit("Error from server (AlreadyExists): rayjobs.ray.io already exists")
elif words[0] in ("create", "apply"):
    state["applied"] += locals().get("text", "") or sys.stdin.read()
elif words[:2] == ["get", "events"]:
    about = {{"name": "raygen-digits-workers-x"}}
    print(json.dumps({{"items": [{{"involvedObject": about, "message": "0/3 nodes: no GPU"}}]}}))
elif words[:2] == ["get", "pods"]:
    pod = {{"metadata": {{"name": "the-head"}}, "status": {{"phase": "Running"}}}}
    print(json.dumps({{"items": [pod] if state["head"] else []}}))
elif words[0] == "get":
    if (status := now("status")) is None:
        sys.exit("Error from server (NotFound): rayjobs.ray.io not found")
    print(json.dumps({{"status": status}}))
elif words[0] == "logs":
    if (said := now("said")) is None:
        sys.exit("error: error from server (NotFound): jobs.batch not found in default")
    said = said.splitlines()[-1] + "\\n" if "--tail=1" in words else said
    sys.stdout.buffer.write(said.encode("latin-1"))
elif words[0] == "wait" and not state["ready"]:
    sys.exit("error: timed out waiting for the condition on pods/x")
elif words[0] == "exec" and state["exec"]:
    sys.exit(state["exec"])
elif words[0] == "exec":
    inside = words[words.index("--") + 1 :]
    here = [word.replace("/shared", {claim!r}) for word in inside]
    sys.exit(subprocess.run(here).returncode)
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
        run=Path("/shared/runs/My digits.1"),
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


def test_the_cluster_that_stays_fits_the_operators_schema() -> None:
    """With a token, workers of its own kind of node, and the claim in every pod."""
    jsonschema = pytest.importorskip("jsonschema")
    cluster = yaml.safe_load((ROOT / "cluster" / "raycluster.yaml").read_text(encoding="utf-8"))
    spec = cluster["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]

    assert spec["authOptions"] == {"mode": "token"}
    for group in groups:
        pod = group["template"]["spec"]
        assert pod["volumes"] == groups[0]["template"]["spec"]["volumes"]
        assert [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]] == ["/shared"]
    if not SCHEMAS.is_dir():
        pytest.skip("the operator's schemas are not there (../shared/data/kuberay_crds)")
    crd = yaml.safe_load((SCHEMAS / "ray.io_rayclusters.yaml").read_text(encoding="utf-8"))
    versions = {each["name"]: each["schema"]["openAPIV3Schema"] for each in crd["spec"]["versions"]}
    validator = jsonschema.Draft202012Validator(strict(versions["v1"]["properties"]["spec"]))
    assert [error.message for error in validator.iter_errors(spec)] == []
    assert [error.message for error in validator.iter_errors({**spec, "auth": {}})] != []


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


def test_names_are_as_kubernetes_has_them() -> None:
    """Lower case, digits and dashes, at most 40; and no two runs have the same."""
    runs = ["digits", "My run_1.", "my_run_1", "my-run-1", "ü", "日本", "x" * 90, "x" * 91]
    names = [job_name(run) for run in runs]

    assert names[0] == "raygen-digits"
    assert names[3] == "raygen-my-run-1"
    assert len(set(names)) == len(runs)
    assert all(re.fullmatch(r"raygen-[a-z0-9-]*[a-z0-9]", name) for name in names)
    assert max(map(len, names)) == 40


Be = Callable[..., list[list[str]]]


@pytest.fixture
def be(place: Path, monkeypatch: pytest.MonkeyPatch) -> Be:
    """A kubectl whose answers can be set; gives what it was asked so far."""
    jobs, program, claim = place / "jobs.json", place / "kubectl", place / "claim"
    first = {"calls": [], "status": {}, "applied": "", "head": False, "said": None}
    first |= {"ready": True, "exec": ""}
    jobs.write_text(json.dumps(first))
    program.write_text(KUBECTL.format(python=sys.executable, jobs=str(jobs), claim=str(claim)))
    program.chmod(0o755)
    claim.mkdir()
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    (place / "kuberay.yaml").write_text("kuberay: {image: a, claim: b}\n")

    def set_to(**answers: object) -> list[list[str]]:
        state = {**json.loads(jobs.read_text()), **answers}
        jobs.write_text(json.dumps(state))
        calls: list[list[str]] = state["calls"]
        return calls

    return set_to


def test_a_job_is_submitted_asked_for_and_stopped(
    place: Path, raygen: Callable[..., tuple[int, str]], be: Be
) -> None:
    """Why it waits is told in the scheduler's words; stop deletes it."""

    def status(answer: dict[str, str] | None) -> str:
        be(status=answer)
        return raygen("status", "runs/digits")[1]

    assert raygen(*SUBMIT)[0] == 0
    applied = json.loads((place / "jobs.json").read_text())["applied"]
    assert applied.index("kind: RayJob") < applied.index("kind: ConfigMap")
    assert "waiting: 0/3 nodes: no GPU" in status({})
    code, told = raygen("logs", "runs/digits")
    assert (code, "nothing has been said yet; type raygen status" in told) == (0, True), told
    be(said="search 3/8 trials")
    running = status({"jobDeploymentStatus": "Running"})
    assert running.splitlines() == ["job default/raygen-digits: running", "search 3/8 trials"]
    assert raygen("stop", "runs/digits")[0] == 0
    assert be()[-1] == ["--namespace=default", "delete", "rayjob", "raygen-digits"]
    assert "failed: it broke" in status({"jobDeploymentStatus": "Failed", "message": "it broke"})
    assert "AlreadyExists" in raygen(*SUBMIT)[1]
    assert "gone" in status(None)


def test_a_run_lies_in_the_claim(
    place: Path, raygen: Callable[..., tuple[int, str]], be: Be
) -> None:
    """Elsewhere nothing would be left of it when its pods go."""
    code, told = raygen(*SUBMIT, "--run-dir", "/data/runs/digits")

    assert (code, be()) == (2, [])
    assert "--run-dir: '/data/runs/digits' given; it must lie below /shared" in told


@pytest.mark.parametrize("head", [True, False], ids=["while it runs", "when its pods are gone"])
def test_files_and_logs_come_here(
    place: Path, raygen: Callable[..., tuple[int, str]], be: Be, head: bool
) -> None:
    """By the head's pod; without one by a pod that mounts the claim, and is taken away again."""
    raygen(*SUBMIT)
    word = "Running" if head else "Complete"
    be(status={"jobDeploymentStatus": word, "rayClusterName": "x"}, head=head)
    there = place / "claim/runs/digits"
    for name, text in {
        "leaderboard.json": "{}",
        "model.py": "A = 1",
        "trials/00000/log.txt": "epoch 1",
        "trials/00000/checkpoint-0-1/weights": "many",
    }.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_text(text)

    assert raygen("logs", "runs/digits", "00000") == (0, "epoch 1")
    code, told = raygen("fetch", "runs/digits")

    assert code == 0, told
    assert (place / "runs/digits/leaderboard.json").read_text() == "{}"
    assert (place / "model.py").read_text() == "A = 1"
    assert not (place / "runs/digits/trials/00000/checkpoint-0-1").exists()
    asked = [call[1:] for call in be()]
    pods = {call[1].rstrip("0123456789abcdef") for call in asked if call[0] == "exec"}
    assert pods == {"the-h" if head else "raygen-files-"}
    made = [call for call in asked if call[0] in ("create", "delete", "wait")]
    own = ["create", "wait", "delete"]
    assert [call[0] for call in made] == ([] if head else own * 2)
    code, told = raygen("logs", "runs/digits", "00007")
    assert code == 2
    assert "there is no trial 00007, or it has not begun" in told
    code, told = raygen("logs", "runs/digits")
    assert (code, "its pods are gone" in told) == (2, True), told


def test_a_run_is_followed_to_its_end(
    raygen: Callable[..., tuple[int, str]], be: Be, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it prints comes once, piece by piece, until the job is over."""
    raygen(*SUBMIT)
    running, complete = ({"jobDeploymentStatus": word} for word in ("Running", "Complete"))
    be(status=[running, running, complete], said=["one\n", "one\ntwo\n"])
    monkeypatch.setattr("raygen.launch.kubectl._PAUSE_S", 0)

    code, told = raygen("attach", "runs/digits")

    assert code == 0
    assert told.splitlines() == ["one", "two", "job default/raygen-digits: complete", "two"]


def test_a_pod_that_does_not_get_ready_is_removed(
    raygen: Callable[..., tuple[int, str]], be: Be
) -> None:
    """Nothing of it stays."""
    raygen(*SUBMIT)
    be(status=None, ready=False)

    code, told = raygen("fetch", "runs/digits")

    assert (code, "kubectl fails: error: timed out waiting" in told) == (2, True), told
    assert [call[1] for call in be()][-3:] == ["create", "wait", "delete"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "tar: executable not found\ncommand terminated with exit code 127",
            "tar fails there: tar",
        ),
        ("command terminated with exit code 137", "tar fails there: command terminated"),
        ("command terminated with exit code 1", "what the cluster sent was cut off"),
    ],
)
def test_files_that_do_not_come_are_one_line(
    raygen: Callable[..., tuple[int, str]], be: Be, said: str, told: str
) -> None:
    """Files that grew meanwhile are no failure, all else is."""
    raygen(*SUBMIT)
    be(status={"jobDeploymentStatus": "Running", "rayClusterName": "x"}, head=True, exec=said)

    assert told in raygen("fetch", "runs/digits")[1]


def test_a_second_try_is_followed_from_its_beginning(
    raygen: Callable[..., tuple[int, str]], be: Be, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it prints is shorter than what the first has printed, and another text."""
    raygen(*SUBMIT)
    running, again, complete = (
        {"jobDeploymentStatus": word} for word in ("Running", "Retrying", "Complete")
    )
    be(status=[running, again, running, complete], said=["first try", None, "2nd", "2nd \xfc"])
    monkeypatch.setattr("raygen.launch.kubectl._PAUSE_S", 0)

    code, told = raygen("logs", "-f", "runs/digits")

    assert (code, told) == (0, "first try2nd \ufffd")
