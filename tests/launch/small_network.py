"""A network of three machines inside this one: a laptop, a head, a worker.

Each has an address, processes, a home and a /tmp/ray of its own; the nodes answer ssh and share
/mnt. Nothing leads out of the network, and all of it ends with the process that made it, so
``ray up`` and ``ray stop`` can be tried without meeting any other Ray.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

LAPTOP, HEAD, WORKER = "10.77.0.1", "10.77.0.2", "10.77.0.3"
ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("ip", "unshare", "nsenter", "mount", "ssh", "ssh-keygen", "rsync", "/usr/sbin/sshd")
_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
_WORLD = """
set -e
mount -t tmpfs tmpfs /run && mkdir -p /run/sshd
ip link set lo up
ip link add br0 type bridge && ip addr add {laptop}/24 dev br0 && ip link set br0 up
ip route add default dev br0  # so that Ray finds an address of its own; nothing is forwarded
for node in head:{head} worker:{worker}; do
    name=${{node%%:*}}
    ip netns add "$name" && ip -n "$name" link set lo up
    ip link add "v-$name" type veth peer name eth0 netns "$name"
    ip link set "v-$name" master br0 up
    ip -n "$name" addr add "${{node#*:}}/24" dev eth0 && ip -n "$name" link set eth0 up
    ip -n "$name" route add default via {laptop}
    nsenter --net="/run/netns/$name" {unshare} bash {folder}/machine "$name" \\
        /usr/sbin/sshd -D -e -f {folder}/sshd_config >{folder}/"$name.log" 2>&1 </dev/null &
done
exec bash {folder}/machine laptop bash -c 'echo ready >{folder}/ready; exec sleep infinity'
"""
_MACHINE = """
set -e
home={folder}/$1/home
mkdir -p "$home" {folder}/"$1"/ray {folder}/"$1"/python "$home/.pyenv" /tmp/ray
# the interpreter may lie below /root, which is about to be another folder
below=$(realpath --relative-base=/root {python})
if [[ $below != /* ]]; then mkdir -p "$home/$below" && mount --bind {python} "$home/$below"; fi
mount --rbind "$home" /root
mount --bind {folder}/"$1"/ray /tmp/ray
if [[ $1 != laptop ]]; then mount --bind {folder}/shared /mnt; fi
shift
exec "$@"
"""
_SSHD = """
Port 22
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/id_ed25519.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
PrintMotd no
PidFile none
"""
CLUSTER = """\
cluster_name: small
provider:
  type: local
  head_ip: {head}
  worker_ips: [{worker}]
auth:
  ssh_user: root
  ssh_private_key: {folder}/id_ed25519
min_workers: 1
max_workers: 1
file_mounts:
  "~/.ray/auth_token": "{folder}/auth_token"
setup_commands:
  - chmod 600 ~/.ray/auth_token
head_start_ray_commands:
  - ray stop
  - >-
    RAY_enable_metrics_collection=0 AUTOSCALER_METRIC_PORT=-1 DASHBOARD_METRIC_PORT=-1
    ray start --head --node-ip-address={head} --port=6379 --dashboard-host=127.0.0.1
    --num-cpus=1 --object-store-memory=200000000
    --autoscaling-config=~/ray_bootstrap_config.yaml
worker_start_ray_commands:
  - ray stop
  - >-
    RAY_enable_metrics_collection=0
    ray start --address=$RAY_HEAD_IP:6379 --num-cpus=1 --object-store-memory=200000000
"""


def lacking() -> str:
    """Why there can be no such network here; empty if there can be."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it takes root to make machines"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    tried = subprocess.run([*_UNSHARE, "--net", "true"], capture_output=True, check=False)
    return "namespaces cannot be made here" if tried.returncode else ""


class SmallNetwork:
    """Made when it is entered, gone when it is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = os.urandom(16).hex() + os.urandom(16).hex()

    def __enter__(self) -> SmallNetwork:
        folder = self.folder
        shared, laptop = folder / "shared", folder / "laptop" / "home"
        for each in (shared, laptop):
            each.mkdir(parents=True)
        for name in ("head", "worker"):
            home = folder / name / "home"
            home.mkdir(parents=True)
            (home / ".bashrc").write_text(
                f"export PATH={Path(sys.executable).parent}:$PATH PYTHONPATH={ROOT}\n"
                "export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token PYTHONDONTWRITEBYTECODE=1\n"
            )
        for key in ("id_ed25519", "host_key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True
            )
        (folder / "auth_token").write_text(self.token)
        (folder / "auth_token").chmod(0o600)
        names = {"folder": folder, "head": HEAD, "worker": WORKER, "laptop": LAPTOP}
        (folder / "sshd_config").write_text(_SSHD.format(**names))
        python = Path(sys.base_prefix).resolve()
        (folder / "machine").write_text(_MACHINE.format(folder=folder, python=python))
        (folder / "cluster.yaml").write_text(CLUSTER.format(**names))
        with (folder / "world.log").open("w") as log:
            self._world = subprocess.Popen(
                [
                    *_UNSHARE,
                    "--net",
                    "bash",
                    "-c",
                    _WORLD.format(unshare=" ".join(_UNSHARE), **names),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 30
        while not self._is_ready():
            assert self._world.poll() is None, (folder / "world.log").read_text()
            assert time.monotonic() < until, (folder / "world.log").read_text()
            time.sleep(0.1)
        children = Path(f"/proc/{self._world.pid}/task/{self._world.pid}/children").read_text()
        self._init = children.split()[0]
        return self

    def __exit__(self, *_: object) -> None:
        self._world.send_signal(signal.SIGKILL)  # and with it all that runs in its namespaces
        self._world.wait()

    def words(self, *words: str, cwd: Path, net: str = "") -> list[str]:
        """What runs a command on the laptop, or elsewhere in the network but with its files."""
        inside = ["nsenter", f"--net=/run/netns/{net}"] if net else []
        return ["nsenter", "-t", self._init, "-m", "-n", "-p", f"--wdns={cwd}", *inside, *words]

    def environment(self, **more: str) -> dict[str, str]:
        """Of a command on the laptop: no Ray and no token but what the cluster file names."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return {
            **kept,
            "HOME": "/root",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.folder),
            **more,
        }

    def run(
        self, *words: str, cwd: Path, net: str = "", timeout: float = 300, **more: str
    ) -> tuple[int, str]:
        """Run a command on the laptop to its end: its code, and all it has said."""
        done = subprocess.run(
            self.words(*words, cwd=cwd, net=net),
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def on(self, node: str, line: str) -> str:
        """Run a line of bash on a node, by ssh; gives what it has said."""
        ssh = ["ssh", "-i", str(self.folder / "id_ed25519"), "-o", "StrictHostKeyChecking=no"]
        code, told = self.run(*ssh, f"root@{node}", line, cwd=self.folder)
        assert code == 0, told
        return told

    def start(self, *words: str, cwd: Path, said: Path) -> subprocess.Popen[bytes]:
        """Begin a command on the laptop."""
        with said.open("wb") as file:
            return subprocess.Popen(
                self.words(*words, cwd=cwd),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def _is_ready(self) -> bool:
        logs = [self.folder / f"{name}.log" for name in ("head", "worker")]
        listening = all(log.exists() and "listening" in log.read_text() for log in logs)
        return listening and (self.folder / "ready").exists()
