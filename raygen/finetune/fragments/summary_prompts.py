"""How does a language model get documents to go on with their summary?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from raygen.finetune.fragments import prompts_and_answers
