#!/usr/bin/env bash
#SBATCH --job-name=raygen-digits
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --mem=30518M
#SBATCH --time=60
#SBATCH --partition=gpu
#SBATCH --signal=B:TERM@90
#SBATCH --open-mode=append
#SBATCH --output="/home/ann/my runs/log.txt"
#SBATCH --constraint=a100&nvlink
#SBATCH --comment="a \"b\""
#SBATCH --requeue
set -euo pipefail
module load python
cd '/home/ann/my runs'
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token
# a node that is cut off is given up after 20 s in place of a minute
export RAY_health_check_period_ms=3000 RAY_health_check_timeout_ms=3000
export RAY_health_check_failure_threshold=5
# no numbers for Prometheus, which anybody could read
export RAY_enable_metrics_collection=0 AUTOSCALER_METRIC_PORT=-1
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN  # srun hands it to every node; it is in no file and on no command line

nodes=($(scontrol show hostnames "$SLURM_JOB_NODELIST"))
on() { srun --overlap --nodes=1 --ntasks=1 --nodelist="$1" "${@:2}"; }
address_of() { on "$1" python -m raygen.launch.own_address; }
port=$((20000 + SLURM_JOB_ID % 10000))
head=$(address_of "${nodes[0]}")

on "${nodes[0]}" python -m ray.scripts.scripts start --head --node-ip-address="$head" \
    --port="$port" --num-cpus=8 --num-gpus=1 --dashboard-agent-listen-port=0 --include-dashboard=false --block &
export RAY_ADDRESS="$head:$port"
python -m raygen.launch.wait_for_nodes 1
for node in "${nodes[@]:1}"; do
    on "$node" python -m ray.scripts.scripts start --address="$RAY_ADDRESS" \
        --node-ip-address="$(address_of "$node")" --num-cpus=8 --num-gpus=1 --dashboard-agent-listen-port=0 --block &
done
python -m raygen.launch.wait_for_nodes "${#nodes[@]}"

# a notice of Slurm's becomes one for the run: it keeps all that is done, and ends
python -m raygen generate --config '/home/ann/my runs/it'"'"'s here.yaml' --run-dir '/home/ann/my runs/runs/digits' --output '/home/ann/my runs/model.py' --set search.trials=8 &
run=$!
trap 'kill -TERM "$run"' TERM
code=0
wait "$run" || code=$?
while kill -0 "$run" 2>/dev/null; do
    code=0
    wait "$run" || code=$?
done
exit "$code"
