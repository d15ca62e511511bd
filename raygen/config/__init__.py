"""What does the user want: the YAML read, checked and typed."""

from __future__ import annotations

from raygen.config.load import dump_experiment, load_experiment, parse_experiment
from raygen.config.model_section import Model
from raygen.config.origin import Origin
from raygen.config.rank_section import Rank
from raygen.config.resources_section import Resources
from raygen.config.schema import Experiment
from raygen.config.search_section import Search
from raygen.config.space import (
    TRAINING_SETTINGS,
    Choice,
    Condition,
    Float,
    Int,
    Parameter,
    Space,
    Value,
)
from raygen.config.spaces import list_spaces, load_space, space_of
from raygen.config.task_section import Dataset, Task

__all__ = [
    "load_experiment",
    "parse_experiment",
    "dump_experiment",
    "Experiment",
    "Task",
    "Dataset",
    "Model",
    "Search",
    "Rank",
    "Resources",
    "list_spaces",
    "load_space",
    "space_of",
    "Space",
    "Parameter",
    "Condition",
    "Float",
    "Int",
    "Choice",
    "Value",
    "TRAINING_SETTINGS",
    "Origin",
]
