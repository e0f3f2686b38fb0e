"""What changed between a saved run of refusal and this one. Pure functions."""

from collections.abc import Mapping, Sequence

import numpy as np

from core.errors import ConfigError
from evaluate.decisions import MEASURES, decision_measures
from evaluate.intervals import Array, intervals
from evaluate.records import Change, Comparison, score
from evaluate.refusal_results import RefusalResult, ScoredQuestion, Split, splits


def compare_refusals(now: RefusalResult, before: RefusalResult) -> Comparison:
    """The differences of `now` from the baseline `before`, each under its own threshold.

    Raises ConfigError when the questions that both have are not of both classes.
    """
    old = {one.key: one for one in before.questions}
    both = [one for one in now.questions if one.key in old]
    groups = splits(both)
    if not groups:
        raise ConfigError(
            f"the baseline ({before.accept_set}, {before.reject_set}) and this run ({now.accept_set}, {now.reject_set})"
            " do not have a question to accept and one to refuse in common",
            mend="compare runs of the same files; a row whose id or question was edited is another question",
        )
    return Comparison(
        baseline=before.served,
        compared=len(both),
        only_before=len(old) - len(both),
        only_now=len(now.questions) - len(both),
        changes=tuple(change for split in groups for change in _changes(split, old, now, before)),
    )


def _changes(
    split: Split, old: Mapping[str, ScoredQuestion], now: RefusalResult, before: RefusalResult
) -> list[Change]:
    group, *classes = split
    # One row a question: its score before and now, so that a draw takes both.
    strata = [np.array([(old[one.key].score, one.score) for one in some]) for some in classes]

    def measures(some: Sequence[Array], column: int, result: RefusalResult) -> Mapping[str, float]:
        return decision_measures(some[0][:, column], some[1][:, column], result.threshold.value)

    def difference(some: Sequence[Array]) -> dict[str, float]:
        left, right = measures(some, 0, before), measures(some, 1, now)
        return {measure: right[measure] - left[measure] for measure in MEASURES}

    left, right, moved = measures(strata, 0, before), measures(strata, 1, now), intervals(difference, strata)
    prefix = "" if group == "all" else f"{group} "
    return [
        Change(measure=prefix + name, before=left[name], now=right[name], difference=score(moved[name]))
        for name in MEASURES
    ]
