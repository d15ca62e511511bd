"""What may stand below ``rank``: how the best candidates are compared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from raygen.config.section import Conflict, Number, OwnSplit, Section, Text


class Rank(Section):
    """How the best candidates are compared."""

    top: Annotated[int, Field(ge=1)] = 3
    """Candidates that are cross-validated."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the cross-validation."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    """How often the rows, or the groups, are dealt anew into folds; each candidate is scored
    `folds` times `repeats`."""
    split: (
        Literal["stratified", "grouped", "leave-one-group-out", "ordered", "column"] | OwnSplit
    ) = "stratified"
    """How rows are dealt into folds: with their share of every class or value; whole groups
    together; each group a fold of its own; each fold after those it trains on; as a column says;
    or by a function of yours, `my_splits.py:split`. Those of a column need `by` and a table."""
    by: Text | None = None
    """Column of the groups, of the order (such as a date) or of the folds; it is no input then."""
    window: Annotated[int, Field(ge=1)] | None = None
    """Of rows in order, how many a fold trains on at most, the last ones; all by default."""
    gap: Annotated[int, Field(ge=0)] = 0
    """Of rows in order, how many lie unused between those that train and those held out."""
    method: Literal["full", "race"] = "full"
    """Whether all candidates are trained on all folds (full), or a candidate is stopped when the
    folds that are left would hardly bring it to the front (race)."""
    choose: Literal["mean", "simplest-tied", "fastest-tied", "aicc-tied", "one-error"] = "mean"
    """Who wins: the best mean; of those that cannot be told from it, the one with the fewest
    parameters, the lowest latency or the lowest AICc; or the simplest within one standard error
    of it."""
    seeds: Annotated[int, Field(ge=1, le=100)] = 1
    """How often the chosen candidate is trained on each fold, each time with other first weights,
    to tell how much of the spread over the folds is chance."""
    rope: Annotated[Number, Field(ge=0)] | None = None
    """Difference of two scores that makes none in practice. By default a hundredth of the best
    mean."""
    ensemble: Literal["none", "greedy", "folds"] = "greedy"
    """Which networks predict together, as a row of their own and as `best/ensemble.py`: those
    candidates that are best together by their held-out rows (greedy), or the chosen one trained
    once without each fold, which takes so many trainings and which the test rows alone can score
    (folds)."""
    nested: bool = False
    """Whether search and ranking are done once more for each fold, on the rows of the others
    alone, to tell what they come to on rows that no step of them has seen."""

    @model_validator(mode="after")
    def _has_a_column_to_split_by(self) -> Rank:
        needs_none = self.split == "stratified" or self.function
        if (self.by is None) != bool(needs_none):
            problem = f"split {self.split} given, {'no' if self.by is None else 'and'} by"
            must = (
                "grouped, leave-one-group-out, ordered and column need the name of a column, "
                "stratified and a function have none"
            )
            raise Conflict("by", problem, must)
        if self.repeats > 1 and self.split not in ("stratified", "grouped"):
            must = "only stratified and grouped folds can be dealt anew"
            raise Conflict("repeats", f"{self.repeats} given, and split {self.split}", must)
        for key, usual in (("window", None), ("gap", 0)):
            if getattr(self, key) != usual and self.split != "ordered":
                given = f"{getattr(self, key)} given, and split {self.split}"
                raise Conflict(key, given, "only rows in order have one", "write split: ordered")
        if self.nested and self.split != "stratified":
            must = "the rows of a part must be dealt anew, which a column or a function cannot do"
            given = f"true given, and split {self.split}"
            raise Conflict("nested", given, must, "write split: stratified")
        return self

    @property
    def function(self) -> str:
        """The function that deals the rows, as ``path/to/file.py:function``; empty if none does."""
        return self.split if ".py:" in self.split else ""

    @property
    def scores(self) -> int:
        """How many scores a candidate gets: those of all folds of all repeats."""
        return self.folds * self.repeats
