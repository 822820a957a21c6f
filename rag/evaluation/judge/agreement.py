"""What a judge said in, how far it can be trusted out: against itself and against people."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rag.evaluation.base.cases import CRITERIA, Case
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.base.rows import Row, Verdict
from rag.evaluation.judge.judge import Judge
from rag.evaluation.judge.prompts import GRADES

FEWEST = 30
"""Of fewer labels an agreement says next to nothing."""


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """How often a judge was asked, how often that failed, and on how many answers what happened.

    It `disagreed` with itself on some of the `repeated` ones on which it could, was `silent`
    throughout, or read only some of the times, `half`; `cut` were judged without all that the
    answer may rest on.  `extra` requests were needed as replies could not be used.
    """

    verdicts: int = 0
    asked: int = 0
    failed: int = 0
    disagreed: int = 0
    repeated: int = 0
    silent: int = 0
    half: int = 0
    cut: int = 0
    extra: int = 0


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a judge and people said of the same answers by one criterion.

    `equal` is the share with the same of three grades, `kappa` is Cohen's with quadratic weights
    (1968) on these, `correlation` is Spearman's of the scores; None where all labels or all
    scores are the same.  `unread` answers got no score and are in none of them.
    """

    criterion: str
    answers: int
    equal: float | None
    kappa: float | None
    correlation: float | None
    unread: int = 0

    @property
    def is_small(self) -> bool:
        """Return whether there are too few labels to rely on it."""
        return self.answers < FEWEST


@dataclass(frozen=True, slots=True)
class JudgeCalibration:
    """A judge against people, by criterion; empty where no case has labels."""

    judge: str
    agreements: tuple[Agreement, ...]


def calibrate_judge(
    judge: Judge,
    cases: Iterable[Case],
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> JudgeCalibration:
    """Ask a judge about the answers that people labelled, and return how far it agrees with them.

    The passages it is shown are the excerpts of the case; without any, faithfulness is left out.
    Raises what `Judge.judge` does.
    """
    labelled = [case for case in cases if case.labels and case.judged_answer]
    pairs: dict[str, list[tuple[float, Verdict]]] = {name: [] for name in CRITERIA}
    for done, case in enumerate(labelled, start=1):
        for name, verdict in judge.judge(case, _labelled_response(case)).items():
            if name in case.labels:
                pairs[name].append((case.labels[name], verdict))
        on_progress(done, len(labelled))
    return JudgeCalibration(
        judge.name, tuple(_agree(name, found) for name, found in pairs.items() if found)
    )


def tell_calibration(calibration: JudgeCalibration) -> tuple[str, ...]:
    """Return a line for each criterion, for a terminal or a report."""
    return tuple(_tell(one) for one in calibration.agreements)


def count_verdicts(rows: Iterable[Row]) -> dict[str, VerdictCounts]:
    """Return by criterion how often a judge was asked and could not say, or changed its mind."""
    found: dict[str, list[Verdict]] = {}
    for row in rows:
        for name, verdict in row.verdicts.items():
            found.setdefault(name, []).append(verdict)
    return {name: _count(verdicts) for name, verdicts in found.items()}


def tell_verdicts(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return a line for each criterion that was judged, for a terminal or a report."""
    counts = count_verdicts(rows)
    return tuple(_tell_counts(name, counts[name]) for name in CRITERIA if name in counts)


def weighted_kappa(first: Sequence[int], second: Sequence[int], grades: int) -> float | None:
    """Return Cohen's kappa with quadratic weights of two raters, None where chance agrees too.

    Grades count from 0.  Cohen, Psychological Bulletin 70 (1968) 213-220.
    """
    pairs = list(zip(first, second, strict=True))
    seen = sum((a - b) ** 2 for a, b in pairs) / max(1, len(pairs))
    expected = sum(
        (a - b) ** 2 * first.count(a) * second.count(b)
        for a in range(grades)
        for b in range(grades)
    ) / max(1, len(pairs)) ** 2  # fmt: skip
    return 1 - seen / expected if expected else None


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's correlation, ties at their middle rank; None where all are the same."""
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return statistics.correlation(_ranks(first), _ranks(second))


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]


def _labelled_response(case: Case) -> Response:
    context = tuple(
        Passage(one.document, one.excerpt, one.start, one.end, one.page)
        for one in case.relevant
        if one.excerpt
    )
    return Response(case.judged_answer, context=context or None)


def _agree(name: str, pairs: Sequence[tuple[float, Verdict]]) -> Agreement:
    read = [(label, verdict.score) for label, verdict in pairs if verdict.score is not None]
    labels, scores = [label for label, _score in read], [score for _label, score in read]
    first, second = [_grade(one) for one in labels], [_grade(one) for one in scores]
    equal = sum(a == b for a, b in zip(first, second, strict=True)) / len(read) if read else None
    return Agreement(
        name,
        len(read),
        equal,
        weighted_kappa(first, second, len(GRADES)),
        rank_correlation(labels, scores),
        len(pairs) - len(read),
    )


def _grade(score: float) -> int:
    """Return the nearest grade of a score, from 0; a half goes up."""
    return int(score * (len(GRADES) - 1) + 0.5)


def _count(verdicts: Sequence[Verdict]) -> VerdictCounts:
    failed = sum(len(one.failures) for one in verdicts)
    return VerdictCounts(
        verdicts=len(verdicts),
        asked=failed + sum(len(one.said) for one in verdicts),
        failed=failed,
        disagreed=sum(one.agreed is False for one in verdicts),
        repeated=sum(one.agreed is not None for one in verdicts),
        silent=sum(one.score is None for one in verdicts),
        half=sum(bool(one.said and one.failures) for one in verdicts),
        cut=sum(one.cut for one in verdicts),
        extra=sum(one.extra for one in verdicts),
    )


def _tell_counts(criterion: str, found: VerdictCounts) -> str:
    agreed = found.repeated - found.disagreed
    told = {
        f"the judge agreed with itself on {agreed} and contradicted itself on {found.disagreed}":
            found.repeated,
        f"{found.failed} of {found.asked} times what it said could not be read": found.failed,
        f"{found.silent} without a score": found.silent,
        f"{found.half} of fewer times than asked, so that what is shown first may have a say":
            found.half,
        f"{found.cut} on a cut context, as the judge's holds no more": found.cut,
        f"{found.extra} more requests were needed to get a reply that can be used": found.extra,
    }  # fmt: skip
    parts = (f"{found.verdicts} verdicts", *(words for words, number in told.items() if number))
    return f"{criterion}: {'; '.join(parts)}"


def _tell(one: Agreement) -> str:
    def figure(value: float | None, form: str) -> str:
        return "unknown" if value is None else format(value, form)

    unread = f", {one.unread} more could not be judged" if one.unread else ""
    small = f"; too few to rely on, {FEWEST} are the fewest" if one.is_small else ""
    return (
        f"{one.criterion}: on {one.answers} answers labelled by people{unread}, the same grade on "
        f"{figure(one.equal, '.0%')}, weighted kappa {figure(one.kappa, '.2f')}, "
        f"rank correlation {figure(one.correlation, '.2f')}{small}"
    )
