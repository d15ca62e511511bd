"""What is the batch script of a run on Slurm? Text out of data; nothing is started here."""

from __future__ import annotations

import math
import shlex

from raygen.errors import ConfigError
from raygen.launch.cluster_file import Slurm
from raygen.launch.order import Order

_LAST_S = 15
"""Of the notice, to end Ray itself."""
_BEGIN = """\
set -euo pipefail
{setup}
cd {folder}
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token
# a node that is cut off is given up after 20 s in place of a minute
export RAY_health_check_period_ms=3000 RAY_health_check_timeout_ms=3000
export RAY_health_check_failure_threshold=5
# no numbers for Prometheus, which anybody could read
export RAY_enable_metrics_collection=0 AUTOSCALER_METRIC_PORT=-1
"""
_NODES_AT_ONCE = """\
RAY_AUTH_TOKEN=$({python} -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN  # srun hands it to every node; it is in no file and on no command line

nodes=($(scontrol show hostnames "$SLURM_JOB_NODELIST"))
on() {{ srun --overlap --nodes=1 --ntasks=1 --nodelist="$1" "${{@:2}}"; }}
address_of() {{ on "$1" {python} -m raygen.launch.own_address; }}
port=$((20000 + SLURM_JOB_ID % 10000))
head=$(address_of "${{nodes[0]}}")

on "${{nodes[0]}}" {python} -m ray.scripts.scripts start --head --node-ip-address="$head" \\
    --port="$port" {resources} --include-dashboard=false --block &
export RAY_ADDRESS="$head:$port"
{python} -m raygen.launch.wait_for_nodes 1
for node in "${{nodes[@]:1}}"; do
    on "$node" {python} -m ray.scripts.scripts start --address="$RAY_ADDRESS" \\
        --node-ip-address="$(address_of "$node")" {resources} --block &
done
{python} -m raygen.launch.wait_for_nodes "${{#nodes[@]}}"
"""
_NODES_ONE_BY_ONE = """\
: "${{RAY_AUTH_TOKEN:?it comes with the environment that sbatch was given; do not set export}}"

# where the first task leaves the address of Ray's head, for the others to join it
meeting={meeting}"-$SLURM_ARRAY_JOB_ID"
address=$({python} -m raygen.launch.own_address)
if [ "$SLURM_ARRAY_TASK_ID" != 0 ]; then
    exec >>{log}".$SLURM_ARRAY_TASK_ID" 2>&1
    # so long a node that Slurm wants back may take until its trials have gone elsewhere
    export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S={drain}
    exec {python} -m raygen.launch.join "$meeting" --node-ip-address="$address" \\
        {resources}
fi

port=$((20000 + SLURM_ARRAY_JOB_ID % 10000))
{python} -m ray.scripts.scripts start --head --node-ip-address="$address" \\
    --port="$port" {resources} --include-dashboard=false --block &
export RAY_ADDRESS="$address:$port"
{python} -m raygen.launch.wait_for_nodes 1
printf '%s %s\\n' "$RAY_ADDRESS" "${{SLURM_RESTART_COUNT:-0}}" >"$meeting"
"""
_RUN = """
# a notice of Slurm's becomes one for the run: it keeps all that is done, and ends
{command} &
run=$!
trap 'kill -TERM "$run"' TERM
code=0
wait "$run" || code=$?
while kill -0 "$run" 2>/dev/null; do
    code=0
    wait "$run" || code=$?
done
"""
_END_ARRAY = """\
if [ "$code" != 130 ]; then  # else it was told to stop, and may begin again
    printf 'over\\n' >"$meeting"
    scancel --state=PENDING "$SLURM_ARRAY_JOB_ID"
fi
"""
_END = """\
exit "$code"
"""


def batch_script(cluster: Slurm, order: Order) -> str:
    """Write the script that sbatch takes.

    It starts Ray on all nodes with a token of its own, waits until they are there, and runs the
    command. As an array, its first task is the head that runs the command, and the others join it
    as Slurm has room for them. A job that is queued again runs the same command, which goes on
    where it was.

    Args:
        cluster: What the job asks for.
        order: What runs on its first node; its paths must be the same on all nodes.

    Raises:
        ConfigError: A path has several lines.
    """
    if "\n" in f"{order.log}{order.here}{order.run}{order.output}{order.config}":
        raise ConfigError("a path with a line break given", must="the script has one line for it")
    command = order.command(cluster.python, str(order.config), str(order.run), str(order.output))
    asked = {
        "job-name": f"raygen-{order.name}",
        "nodes": 1 if cluster.array else cluster.nodes,
        "array": f"0-{cluster.nodes - 1}" if cluster.array else None,
        "ntasks-per-node": 1,
        "cpus-per-task": cluster.cpus_per_node,
        "gpus-per-node": cluster.gpus_per_node or None,
        "mem": None
        if cluster.memory_gb_per_node is None
        else f"{math.ceil(cluster.memory_gb_per_node * 1e9 / 2**20)}M",
        "time": None if cluster.time_limit is None else math.ceil(cluster.time_limit / 60),
        "partition": cluster.partition,
        "account": cluster.account,
        "signal": f"B:TERM@{round(cluster.notice)}",
        "open-mode": "append",
        "output": str(order.log).replace("%", "%%"),
        **cluster.options,
    }
    lines = [
        f"#SBATCH --{key}" if value is True else f"#SBATCH --{key}={_word(value)}"
        for key, value in asked.items()
        if value is not None
    ]
    lines.append("#SBATCH --requeue" if cluster.requeue else "#SBATCH --no-requeue")
    parts = [_BEGIN, _NODES_ONE_BY_ONE, _RUN, _END_ARRAY, _END]
    if not cluster.array:
        parts = [_BEGIN, _NODES_AT_ONCE, _RUN, _END]
    body = "".join(parts).format(
        setup="\n".join(cluster.setup),
        folder=shlex.quote(str(order.here)),
        python=shlex.join(cluster.python),
        resources=f"--num-cpus={cluster.cpus_per_node} --num-gpus={cluster.gpus_per_node} "
        "--dashboard-agent-listen-port=0",  # nodes may be shared with others
        command=shlex.join(command),
        drain=round(max(cluster.notice - _LAST_S, cluster.notice / 2)),
        meeting=shlex.quote(str(order.log.with_name("head"))),
        log=shlex.quote(str(order.log)),
    )
    return "\n".join(["#!/usr/bin/env bash", *lines, body])


def _word(value: object) -> str:
    """A value of an option; sbatch reads quotes, and % as a pattern."""
    text = str(value)
    if not set(text) & set(" \t\"'\\#"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
