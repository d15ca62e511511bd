"""Puts the nodes of the small network into containers, as ``docker:`` in a cluster file does.

The image is empty but for the folders that this machine's programs are mounted on; what runs
the containers is Podman, under the name of docker.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from small_network import ROOT, SmallNetwork

DATA = "/data"
"""Where the containers have the folder that all nodes share; the nodes themselves have it not."""
_LINKS = ("bin", "sbin", "lib", "lib64")
_FOLDERS = ("usr", "etc", "dev", "proc", "sys", "run", "var/tmp", "mnt", "root", "data")
_FILES = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf")
_DOCKER = """\
#!/bin/sh
export CONTAINERS_CONF={folder}/containers.conf
exec podman --root /root/containers --runroot /root/running --tmpdir /root/libpod \\
    --storage-driver vfs --runtime runc --cgroup-manager cgroupfs "$@"
"""
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=10000:10000"]
log_driver = "k8s-file"
[engine]
lock_type = "file"
events_logger = "none"
"""
_SECTION = """
docker:
  image: localhost/nodes
  container_name: ray_nodes
  pull_before_run: false
  disable_automatic_runtime_detection: true
  run_options: [{options}]
initialization_commands:
  - >-
    docker image exists localhost/nodes || docker import --change ENV=HOME=/root
    {folder}/image.tar localhost/nodes
"""


def lacking_containers() -> str:
    """Why there can be none here; empty if there can be."""
    absent = [each for each in ("podman", "runc") if shutil.which(each) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    words = "podman --runtime runc run --rm --ulimit nofile=1000:1000 --ulimit nproc=1000:1000"
    words += " --net=host --rootfs /:O true"
    tried = subprocess.run(words.split(), capture_output=True, text=True, check=False)
    return f"no container can be run: {tried.stderr.strip()}" if tried.returncode else ""


def into_containers(network: SmallNetwork) -> None:
    """Have ``ray up`` of the network's cluster file start Ray in a container of each node."""
    folder = network.folder
    programs = folder / "programs"
    programs.mkdir()
    (programs / "docker").write_text(_DOCKER.format(folder=folder))
    (programs / "docker").chmod(0o755)
    (folder / "containers.conf").write_text(_CONTAINERS)
    for node in ("head", "worker"):
        own = folder / node / "home" / ".bashrc"
        inside = own.read_text()
        own.write_text(f"export PATH={programs}:/usr/sbin:/usr/bin:/sbin:/bin\n")
    with tarfile.open(folder / "image.tar", "w") as image:
        _fill(image, inside)
    python = Path(sys.base_prefix).resolve()
    mounts = {"/usr": "/usr", "/mnt": DATA} | {
        str(each): str(each) for each in (python, Path(sys.prefix), ROOT, folder)
    }
    given = ["--shm-size=1g", *(f"-v {here}:{there}" for here, there in mounts.items())]
    cluster = folder / "cluster.yaml"
    cluster.write_text(
        cluster.read_text() + _SECTION.format(folder=folder, options=", ".join(given))
    )


def _fill(image: tarfile.TarFile, bashrc: str) -> None:
    for name in _LINKS:
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
        image.addfile(link)
    for name in (*_FOLDERS, "tmp"):
        made = tarfile.TarInfo(name)
        made.type, made.mode = tarfile.DIRTYPE, 0o1777 if name.endswith("tmp") else 0o755
        image.addfile(made)
    for name in _FILES:
        if (file := Path("/etc", name)).exists():
            image.add(file.resolve(), f"etc/{name}")
    own = tarfile.TarInfo("root/.bashrc")
    own.size = len(bashrc.encode())
    image.addfile(own, io.BytesIO(bashrc.encode()))
