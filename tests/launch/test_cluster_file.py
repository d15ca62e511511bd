"""Is a cluster file read, and is what can never run there refused at once?"""

from __future__ import annotations

from pathlib import Path

import pytest

from raygen.config.resources_section import Resources
from raygen.errors import ConfigError, EnvironmentProblem
from raygen.launch.cluster_file import Slurm, check_fits, read_cluster
from raygen.launch.ray_cluster import RayCluster

RAY = """\
provider: {type: local, head_ip: a, worker_ips: [c, d]}
auth: {ssh_user: b}
file_mounts: {"~/.ray/auth_token": "~/.ray/auth_token"}"""
TYPE = "{resources: {}, node_config: {}}"
SHIPPED = Path(__file__).resolve().parents[2] / "cluster"


def test_shipped_file_is_read() -> None:
    """cluster/slurm.yaml says what its comments say."""
    kind, cluster, _ = read_cluster(SHIPPED / "slurm.yaml")

    assert kind == "slurm"
    assert isinstance(cluster, Slurm)
    assert (cluster.nodes, cluster.time_limit, cluster.notice) == (2, 12 * 3600, 90)
    assert cluster.requeue
    assert cluster.python == (".venv/bin/python",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("slurm: {node: 2}", r"cluster.yaml:1: slurm.node: unknown key; .*did you mean `nodes`"),
        ("slurm: {nodes: 0}", r"slurm.nodes: 0 given; it must be a whole number of at least 1"),
        ("slurm: {time_limit: soon}", r"slurm.time_limit: 'soon' given; it must be a duration"),
        ("slurm: {python: []}", r"slurm.python: .*given; it must be the path of an interpreter"),
        ("slurm: {}\nextra: 1", r"cluster.yaml:2: extra: unknown key"),
        ("provider: {type: aws}", r"cluster.yaml: auth.ssh_user: missing; see cluster/"),
        (f"{RAY}\nidle_timeout: 5", r"cluster.yaml:4: idle_timeout: unknown key; .*idle_timeout_m"),
        (f"{RAY}\nmax_workers: many", r"cluster.yaml:4: max_workers: 'many' is not of type 'int"),
        (RAY.replace("head_ip: a", "x: a"), r"provider.head_ip: missing; see cluster/onprem"),
        (f"{RAY}\nmin_workers: two", r"cluster.yaml:4: min_workers: 'two' given; .* from 0 to 2"),
        (f"{RAY}\nmin_workers: 3", r"cluster.yaml:4: min_workers: 3 given; .* from 0 to 2"),
        (f"{RAY}\nmin_workers: 2\nmax_workers: 1", r"min_workers: 2 given; .* from 0 to 1"),
        (RAY.replace("ssh_user: b", "ssh_user: -oProxyCommand=b"), r"ssh_user: '-oProxy.* a dash"),
        (f"{RAY}\nhead_node_type: a\navailable_node_types: {{b: {TYPE}}}", r"head_node_type: 'a' "),
        ("apiVersion: ray.io/v1\nkind: RayCluster", r"cluster.yaml: a manifest .* kubectl apply"),
        (RAY.replace("local", "locall"), r"type: 'locall' given; .* did you mean `local`"),
        (RAY.partition("\nfile_mounts")[0], r"file_mounts: no token given; who reaches .* without"),
        (RAY.replace("ssh_user: b", "ssh_user: b, ssh_private_key: no"), r"'no' given; there must"),
        ("nodes: 2", r"cluster.yaml: no kind of cluster given; .* slurm or kuberay"),
        ("slurm: {}\nkuberay: {}", r"cluster.yaml: sections slurm, kuberay given"),
        ("kuberay: {image: a}", r"kuberay.claim: missing; .* for example `claim: raygen-runs`"),
        ("slurm: {time_limit: 1m}", r"slurm.time_limit: 1m given, and a notice of 90s; .* raise"),
        ("slurm: {options: {mem: 4G}}", r"slurm.options.mem: given; .* slurm.memory_gb_per_node"),
        ('slurm: {options: {"a b": 1}}', r"slurm.options: 'a b': 1 given; .* long name"),
        ('slurm: {options: {qos: "a\\nb"}}', r"slurm.options: 'qos': 'a\\nb' given; .* one line"),
        (
            "slurm: {options: {gres: [1]}}",
            r"slurm.options.gres: \[1\] given; .* or true for an option",
        ),
        ("kuberay: {image: a, claim: b, node_selector: {x: 3}}", r"node_selector.x: 3 .*quote it"),
        ('slurm: {partition: "a\\nb"}', r"slurm.partition: 'a\\nb' given; it must be .* one line"),
        (
            "kuberay: {image: a, claim: b, nodes: 2, most_nodes: 1}",
            r"kuberay.most_nodes: 1 given, and 2 nodes; .* set most_nodes: 2",
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """One line: file, line, key, what must hold."""
    path = tmp_path / "cluster.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=told) as caught:
        read_cluster(path)

    assert "\n" not in str(caught.value)


def test_shipped_machines_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cluster/onprem.yaml names a head and two workers, by Ray's own keys."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").touch()

    kind, cluster, _ = read_cluster(SHIPPED / "onprem.yaml")

    assert kind == "ray"
    assert isinstance(cluster, RayCluster)
    assert (cluster.nodes, cluster.port, cluster.token) == (3, 8265, "~/.ray/auth_token")
    assert cluster.ssh is not None
    assert cluster.ssh.words()[-1] == "ubuntu@192.0.2.10"


@pytest.mark.parametrize(
    ("docker", "words"),
    [
        ("", ()),
        ("docker: {image: a, container_name: ''}", ()),
        ("docker: {image: a, container_name: b}", ("docker", "exec", "b")),
        ("docker: {image: a, container_name: b, use_podman: true}", ("podman", "exec", "b")),
    ],
)
def test_what_runs_in_containers_is_reached_there(
    tmp_path: Path, docker: str, words: tuple[str, ...]
) -> None:
    """As Ray names its container; without a name it starts none."""
    file = tmp_path / "cluster.yaml"
    file.write_text(f"{RAY}\n{docker}")

    _, cluster, _ = read_cluster(file)

    assert isinstance(cluster, RayCluster)
    assert cluster.container == words


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("ftp://head", "must be a file, ray://HOST:PORT, or http://HOST:8265"),
        ("http://head:many", "must be a file, ray://HOST:PORT, or http://HOST:8265"),
        ("http://ann:secret@head:many", "must be a file, ray://HOST:PORT, or http://HOST:8265"),
        ("http://head:70000", "must be a file, ray://HOST:PORT, or http://HOST:8265"),
        ("http://[::1", "must be a file, ray://HOST:PORT, or http://HOST:8265"),
        ("ray://head:10001/jobs", "must be a file, ray://HOST:PORT, or http://HOST:8265"),
        ("head:8265", "there is no such file; .* type --cluster http://head:8265"),
        ("none.yaml", "'none.yaml' given, and there is no such file; .* those in cluster/"),
        (".", "there is no such file"),
        ("http://ann:secret@head", "who may use the cluster is known by its token"),
    ],
)
def test_addresses_that_cannot_be_are_refused(address: str, told: str) -> None:
    """A password is not even repeated."""
    with pytest.raises(ConfigError, match=told) as caught:
        read_cluster(address)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://head:1/", "http://head:1"),
        ("ray://head:10001", "http://head:8265"),
        ("ray://[::1]", "http://[::1]:8265"),
    ],
)
def test_addresses_lead_to_job_servers(address: str, expected: str) -> None:
    """The port of Ray Client is not that of its host's jobs."""
    _, cluster, _ = read_cluster(address)

    assert isinstance(cluster, RayCluster)
    assert cluster.address == expected


@pytest.mark.parametrize(
    ("resources", "fits"),
    [
        (Resources(cpus_per_trial=4), True),
        (Resources(cpus_per_trial=5), False),
        (Resources(gpus_per_trial=0.25), True),
        (Resources(gpus_per_trial=2), False),
        (Resources(workers_per_trial=4, cpus_per_worker=2), True),
        (Resources(workers_per_trial=5, cpus_per_worker=2), False),
        (Resources(workers_per_trial=(2, 9), gpus_per_worker=1), True),
        (Resources(workers_per_trial=(3, 9), gpus_per_worker=1), False),
        (Resources(memory_gb_per_trial=16), True),
        (Resources(memory_gb_per_trial=17), False),
        (Resources(workers_per_trial=2, memory_gb_per_trial=32), True),
        (Resources(workers_per_trial=2, memory_gb_per_trial=33), False),
    ],
)
def test_trials_that_no_node_can_hold_are_refused(resources: Resources, fits: bool) -> None:
    """Two nodes of 4 CPUs, a GPU and 16 GB: workers may lie on both, the CPUs of one may not."""
    cluster = Slurm(nodes=2, cpus_per_node=4, gpus_per_node=1, memory_gb_per_node=16)

    if fits:
        check_fits(cluster, resources, where="slurm.yaml")
        return
    with pytest.raises(EnvironmentProblem, match=r"slurm\.yaml: .* (have room for|gets 16 GB)"):
        check_fits(cluster, resources, where="slurm.yaml")
