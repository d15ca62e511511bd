"""A Slurm of two nodes on this machine, in processes of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "unshare", "mount")
_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort=16917
SlurmdPort=16918
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=5
MailProg=/bin/true
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[16921-16922] CPUs=2 State=UNKNOWN
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
"""
_START = """\
mount --bind hosts /etc/hosts
munged --force --key-file=$PWD/munge/key --socket=$PWD/munge.sock --pid-file=$PWD/munge.pid \\
    --log-file=$PWD/munge/log --seed-file=$PWD/munge/seed
slurmctld -c -f $SLURM_CONF
slurmd -N n1 -f $SLURM_CONF
slurmd -N n2 -f $SLURM_CONF
exec sleep infinity
"""
_UP_S = 30.0


class RealSlurm:
    """Slurm, from its start until ``close``; only root may start it.

    Its nodes have addresses of their own, which only their processes know by the names n1 and n2.
    """

    def __init__(self) -> None:
        self._folder = folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # paths must be short
        host = socket.gethostname().partition(".")[0]
        for name in ("munge", "state", "spool-n1", "spool-n2"):
            (folder / name).mkdir(mode=0o700)
        (folder / "munge" / "key").write_bytes(os.urandom(1024))
        (folder / "munge" / "key").chmod(0o400)
        (folder / "slurm.conf").write_text(_CONF.format(host=host, folder=folder))
        hosts = Path("/etc/hosts").read_text() + "\n127.0.0.2 n1\n127.0.0.3 n2\n"
        (folder / "hosts").write_text(hosts)
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._machine = subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
                *("bash", "-ec", _START),
            ],
            cwd=folder,
            env=os.environ | self.environment,
            stdout=(folder / "said.txt").open("wb"),
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + _UP_S
        while "2 idle" not in self.ask("sinfo", "--noheader", "--format=%D %t"):
            assert time.monotonic() < deadline, (folder / "said.txt").read_text()
            time.sleep(0.2)

    def ask(self, *words: str) -> str:
        """What one of Slurm's programs prints."""
        environment = os.environ | self.environment
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout

    def close(self) -> None:
        """End all of it, jobs included."""
        self.ask("scancel", "--state=RUNNING")
        with suppress(ProcessLookupError):
            self._machine.kill()
        self._machine.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
