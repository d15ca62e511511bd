"""Is the memory of a fine-tuning told before it is spent, and what would fit where it does not?"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import planned, program_of, write_config

from raygen.errors import EnvironmentProblem
from raygen.finetune.blueprint import PretrainedBlueprint
from raygen.finetune.ladder import check_memory
from raygen.finetune.memory import Place, estimate_memory
from raygen.finetune.peak import Step, peak_bytes
from raygen.source.candidate import Candidate

MINILM = Path(__file__).resolve().parents[2] / "build" / "pretrained" / "minilm"
OPTIONS: list[dict[str, Any]] = [{}, {"micro_batch": 4}, {"checkpointing": True}]


@pytest.mark.parametrize("options", OPTIONS, ids=["whole", "parts", "checkpointing"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_estimate_is_what_a_step_takes(
    folder: Path, model: Path, method: str, options: dict[str, Any]
) -> None:
    """Of a tiny model: within 10 % of what torch's profiler sees allocated in a step."""
    blueprint = planned(write_config(folder, model, model=_model(model, method, **options)))

    found = estimate_memory(blueprint)

    assert found is not None
    assert found.total == pytest.approx(measured(blueprint, folder), rel=0.1)


@pytest.mark.slow
@pytest.mark.skipif(not MINILM.exists(), reason="needs build/pretrained/minilm")
@pytest.mark.parametrize("options", OPTIONS, ids=["whole", "parts", "checkpointing"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_estimate_of_a_real_model(folder: Path, method: str, options: dict[str, Any]) -> None:
    """So it is of MiniLM."""
    blueprint = planned(write_config(folder, MINILM, model=_model(MINILM, method, **options)))

    found = estimate_memory(blueprint)

    assert found is not None
    assert found.total == pytest.approx(measured(blueprint, folder), rel=0.1)


def test_activations_of_a_block_are_those_of_the_formula() -> None:
    """A block with 16-bit numbers keeps s b h (34 + 5 a s / h) bytes (arXiv 2205.05198, eq. 2)."""
    import torch
    from transformers import BertConfig, BertModel

    rows, length, hidden, heads = 4, 128, 256, 4
    peaks = []
    for layers in (2, 6):
        config = BertConfig(
            hidden_size=hidden,
            num_attention_heads=heads,
            intermediate_size=4 * hidden,
            num_hidden_layers=layers,
            attn_implementation="eager",
        )
        with torch.device("meta"):
            model = BertModel(config, add_pooling_layer=False).to(torch.bfloat16)
        step = Step(rows=rows, length=length, bf16=False, checkpointing=False, accumulates=False)
        peaks.append(peak_bytes(model, step))

    expected = rows * length * hidden * (34 + 5 * heads * length / hidden)
    assert (peaks[1] - peaks[0]) / 4 == pytest.approx(expected, rel=0.15)


def test_what_does_not_fit_is_refused_with_what_would(folder: Path, model: Path) -> None:
    """The line has the estimate, and smaller micro-batches, checkpointing, LoRA and FSDP."""
    section = _model(model, "full")
    blueprint = planned(write_config(folder, model, model=section))
    needs = estimate_memory(blueprint)
    assert needs is not None
    small = replace(blueprint, place=Place(0.6 + 0.7 * needs.total, on_gpu=True))

    with pytest.raises(EnvironmentProblem) as caught:
        check_memory(small)

    told = str(caught.value)
    assert "\n" not in told
    rungs = re.findall(r"micro_batch: \d|checkpointing|method: q?lora|strategy: fsdp", told)
    assert [rungs[0], *dict.fromkeys(rungs)][1:4] == rungs[:3] or "micro_batch" in rungs[0]
    assert {"checkpointing", "method: lora", "method: qlora", "strategy: fsdp"} <= set(rungs)


@pytest.mark.parametrize("key", ["gpu_memory_gb", "memory_gb_per_trial"])
def test_memory_can_be_named(folder: Path, model: Path, key: str) -> None:
    """Whatever this machine has; a config that needs more is refused where it names it."""
    config = write_config(folder, model, resources={key: 0.60001})

    with pytest.raises(EnvironmentProblem, match=rf"resources\.{key}: .*must fit 0\.60001 GB"):
        planned(config)


def test_micro_batch_that_nobody_named_is_one_that_fits(folder: Path, model: Path) -> None:
    """The usual one is made smaller before anything is refused; one that is named stays."""
    training = {"batch_size": 32, "learning_rate": 1e-3}
    section = {"pretrained": str(model), "method": "full", "training": training}
    roomy = planned(write_config(folder, model, model=section))
    needs = estimate_memory(roomy)
    assert needs is not None
    room = {"gpu_memory_gb": 0.6 + needs.total - 0.6 * needs.activations}

    tight = planned(write_config(folder, model, model=section, resources=room))
    section["training"] = {**training, "micro_batch": 32}

    constants = [each.render(Candidate({})).constants for each in (roomy, tight)]
    assert [each["MICRO_BATCH"] for each in constants] == [32, 8]
    assert "with micro-batches of 8" in tight.told()
    with pytest.raises(EnvironmentProblem, match="micro_batch"):
        planned(write_config(folder, model, model=section, resources=room))


def test_check_tells_the_estimate(folder: Path, model: Path) -> None:
    """What is told of a run before it is launched has the estimate and its parts."""
    told = planned(write_config(folder, model)).told()

    assert re.search(r"about .* GB a process \(weights .*, activations .*\)", told)


def measured(blueprint: PretrainedBlueprint, folder: Path) -> float:
    """GB that weights, optimizer and the worst moment of a step take in truth."""
    from torch.profiler import ProfilerActivity, profile

    program, arrays = program_of(blueprint, folder), blueprint.load_arrays()
    x, y = arrays["x"][:16], arrays["y"][:16]
    x[:] = 7  # all rows as long as the longest
    model = program.build_model().train()
    optimizer = program.build_optimizer(model)

    def step() -> None:
        optimizer.zero_grad()
        program.accumulate(model, x, y, program.hyperparameters(0), program.MICRO_BATCH)
        optimizer.step()

    step()
    optimizer.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step()
    events = profiled.profiler.kineto_results.events()
    changes = sorted(
        (each.start_ns(), each.nbytes()) for each in events if each.name() == "[memory]"
    )
    now = peak = 0
    for _, size in changes:
        now += size
        peak = max(peak, now)
    tensors = [*model.parameters(), *model.buffers()]
    tensors += [each for state in optimizer.state.values() for each in state.values()]
    return float(peak + sum(each.numel() * each.element_size() for each in tensors)) / 1e9


def _model(folder: Path, method: str, **options: Any) -> dict[str, Any]:
    training = {"batch_size": 16, "micro_batch": 16, "learning_rate": 1e-3, **options}
    return {"pretrained": str(folder), "method": method, "training": training}
