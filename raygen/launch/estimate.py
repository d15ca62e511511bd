"""How long will a run take, and what will it cost? As far as one can say before it runs."""

from __future__ import annotations

from collections.abc import Iterator

from raygen.config.schema import Experiment
from raygen.launch.cluster_file import Cluster
from raygen.launch.ray_cluster import RayCluster
from raygen.runs.records import History


def estimate(
    experiment: Experiment,
    cluster: Cluster,
    history: History,
    *,
    trials: int,
    price: float | None,
) -> Iterator[str]:
    """Lines for a reader.

    Args:
        experiment: What is to run.
        cluster: Where.
        history: What the run has come to already; its trainings tell what an epoch takes.
        trials: That the search may begin; 0 if nobody knows.
        price: Of a node for an hour, in whatever currency.
    """
    nodes = cluster.nodes
    yield f"room: {_there(experiment, cluster)}"
    hours, why = _hours(experiment, cluster, history, trials)
    yield f"time: at most {hours:.3g} hours, {why}" if hours is not None else f"time: {why}"
    if price is None:
        yield "price: --price P says what a node costs an hour"
    elif hours is None:
        yield f"price: {nodes * price:.4g} an hour for {nodes} nodes"
    else:
        yield f"price: at most {hours * nodes * price:.4g} for {nodes} nodes"


def _there(experiment: Experiment, cluster: Cluster) -> str:
    """What trials want, and what there is for them."""
    wanted = experiment.resources
    each = f"{wanted.cpus} CPUs and {wanted.gpus:g} GPUs"
    if wanted.grouped:
        each = f"{wanted.workers[0]} workers, each of {each}"
    nodes = f"{cluster.nodes} nodes"
    if (most := getattr(cluster, "most_nodes", None)) and most > cluster.nodes:
        nodes = f"{cluster.nodes} to {most} nodes"
    if isinstance(cluster, RayCluster):
        return f"a trial wants {each}; of the {nodes} at first the job says what they have"
    have = f"{nodes} of {cluster.cpus_per_node} CPUs and {cluster.gpus_per_node} GPUs"
    first = "at first" if "to" in nodes else "at a time"
    return f"a trial wants {each}; {have} hold {_room(experiment, cluster)} {first}"


def _hours(
    experiment: Experiment, cluster: Cluster, history: History, trials: int
) -> tuple[float | None, str]:
    limit = getattr(cluster, "time_limit", None)
    if trials and (seconds := _seconds_of_epoch(history)):
        room = _room(experiment, cluster)
        rank = experiment.rank
        trainings = trials + rank.top * (rank.scores - 1)
        epochs = (-(-trainings // room) + 1) * experiment.search.max_epochs
        hours = epochs * seconds / 3600
        why = (
            f"if each of {trainings} trainings takes {experiment.search.max_epochs} epochs of "
            f"{seconds:.3g} s, as those of this run did, {room} at a time"
        )
        return (hours, why) if limit is None or hours < limit / 3600 else (limit / 3600, _LIMIT)
    if limit is not None:
        return limit / 3600, _LIMIT
    return None, "unknown before anything was trained; search.time_budget, or a limit, bounds it"


_LIMIT = "the time_limit of the job"


def _seconds_of_epoch(history: History) -> float:
    """In the mean of what was trained; 0 if nothing was."""
    trained = [trial for trial in history.trials.values() if trial.epoch]
    epochs = sum(trial.epoch for trial in trained)
    return sum(trial.seconds for trial in trained) / epochs if epochs else 0.0


def _room(experiment: Experiment, cluster: Cluster) -> int:
    """Trials at a time; one a node where nobody knows what a node has."""
    resources = experiment.resources
    if isinstance(cluster, RayCluster):
        per_node = 1
    else:
        per_node = resources.processes_on(cluster.cpus_per_node, cluster.gpus_per_node)
    return max(per_node * cluster.nodes // resources.workers[0], 1)
