#!/usr/bin/env bash
#SBATCH --job-name=raygen-digits
#SBATCH --nodes=1
#SBATCH --array=0-1
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
: "${RAY_AUTH_TOKEN:?it comes with the environment that sbatch was given; do not set export}"

# where the first task leaves the address of Ray's head, for the others to join it
meeting='/home/ann/my runs/head'"-$SLURM_ARRAY_JOB_ID"
address=$(python -m raygen.launch.own_address)
if [ "$SLURM_ARRAY_TASK_ID" != 0 ]; then
    exec >>'/home/ann/my runs/log.txt'".$SLURM_ARRAY_TASK_ID" 2>&1
    # so long a node that Slurm wants back may take until its trials have gone elsewhere
    export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=75
    exec python -m raygen.launch.join "$meeting" --node-ip-address="$address" \
        --num-cpus=8 --num-gpus=1 --dashboard-agent-listen-port=0
fi

port=$((20000 + SLURM_ARRAY_JOB_ID % 10000))
python -m ray.scripts.scripts start --head --node-ip-address="$address" \
    --port="$port" --num-cpus=8 --num-gpus=1 --dashboard-agent-listen-port=0 --include-dashboard=false --block &
export RAY_ADDRESS="$address:$port"
python -m raygen.launch.wait_for_nodes 1
printf '%s %s\n' "$RAY_ADDRESS" "${SLURM_RESTART_COUNT:-0}" >"$meeting"

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
if [ "$code" != 130 ]; then  # else it was told to stop, and may begin again
    printf 'over\n' >"$meeting"
    scancel --state=PENDING "$SLURM_ARRAY_JOB_ID"
fi
exit "$code"
