"""Which strategy suits a search, given its space, its budget and its workers?

``choose_algorithm(terms)`` names a row of the table of strategies and says why.
"""

from __future__ import annotations

from raygen.search.strategies.strategy import Strategy, Terms

MANY_WORKERS = 64
"""From here on candidates are asked for faster than a Gaussian process can propose them."""
MANY_PARAMETERS = 64
"""From here on it has too little to go by: most of its lengths stay at what the prior says."""


def choose_algorithm(terms: Terms) -> tuple[str, str]:
    """Choose by a rule, which docs/benchmarks.md justifies.

    Args:
        terms: What is known of the search before it begins.

    Returns:
        The name of a row of ``STRATEGIES``, and the reason in a few words.
    """
    size, trials = terms.space.size(), terms.trials
    listed = all(len(each.domain.grid(2)) == each.domain.size for each in terms.space.parameters)
    if size is not None and listed and trials is not None and size <= trials:
        return "grid", f"all {size} candidates fit into the budget of {trials} trials"
    if terms.objectives > 1:
        return "evolution", f"{terms.objectives} objectives ask for a front, not for one best"
    if trials is not None and trials <= terms.workers:
        return "sobol", "all trials run at the same time, so none can learn from another"
    if terms.workers >= MANY_WORKERS:
        return "bohb", f"{terms.workers} workers ask faster than a Gaussian process proposes"
    if len(terms.space.parameters) >= MANY_PARAMETERS:
        return "bohb", f"{len(terms.space.parameters)} parameters are too many for one"
    return "gp", "a Gaussian process over candidates and epochs needs the fewest trainings"


def auto(terms: Terms) -> Strategy:
    """Make the strategy that is chosen."""
    from raygen.search.strategies import load_strategy  # the table names this very function

    return load_strategy(choose_algorithm(terms)[0], terms)
