"""What one case measured, and what all of them measured together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no response to a case: what happened and what to do next."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said of an answer, by one criterion.

    `score` is from 0 to 1, the mean of what it said each time, None where it never said anything
    that can be read.  `said` are the scores one by one, in the order they were asked for;
    `failures` are the times nothing could be read, with the reason; `agreed` says whether all
    that was said is the same, None where that cannot be told.  Where only some of it could be
    read, the score stays in the mean, as to leave it out would favour what is easy to judge;
    what is shown first may then have a say in it.  `cut` says that not all was shown that the
    answer may rest on; `extra` are the requests beyond one for each question, as the replies to
    others could not be used.
    """

    score: float | None
    said: tuple[float, ...] = ()
    failures: tuple[str, ...] = ()
    agreed: bool | None = None
    why: str = ""
    cut: bool = False
    extra: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A case with what was answered and measured.

    `measures` holds a number or None by the name of the measure: None where the measure does not
    apply to the case, or what it needs is not there.  It never holds NaN.  A case that failed
    has a `failure`, no response and no measures.
    """

    case: Case
    response: Response | None = None
    measures: Mapping[str, float | None] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure over many cases, with its 95 % interval.

    `cases` entered it; `missing` could not, of those to which it applies, and are never averaged.
    `value`, `low` and `high` are None where no case entered, the interval also where there are
    too few.  `group` is "" for all cases, else what they have in common ("kind=near-miss").
    """

    measure: str
    value: float | None
    low: float | None
    high: float | None
    cases: int
    missing: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run was made with; two runs of the same `fingerprint` measure the same thing.

    `settings` are those that have a say, `index` is what was searched (model, recipe, counts, a
    hash of its documents), empty for a foreign system.  `made_at` is UTC in ISO 8601.
    `wanted` are the names of the measures, `cases_hash` is of the cases.  `command` is what was
    typed into a shell, without secrets, "" where nothing was.  `jobs` is how many cases were asked
    at once, None where nobody told or it was not always the same.  `left_out` are cases that were
    not asked, as they hold documents out and the system cannot; they are in no other number.
    """

    name: str
    fingerprint: str
    made_at: str
    version: str
    system: str
    settings: Mapping[str, str | int | float | bool | None]
    index: Mapping[str, str | int | float | bool | None]
    wanted: tuple[str, ...]
    cases_name: str
    cases_hash: str
    judge: str = ""
    format: int = 1
    command: str = ""
    jobs: int | None = None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """A run: what it was made with, its rows in the order of the cases, what they amount to.

    `counts` are those of cases, failures, and what a judge could not say.  `folder` is where the
    run is kept, "" where it is not.  `notes` tell what a reader should know, one line each.
    """

    manifest: Manifest
    rows: tuple[Row, ...]
    figures: tuple[Figure, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    folder: str = ""
    notes: tuple[str, ...] = ()

    def figure(self, measure: str, group: str = "") -> Figure | None:
        """Return the figure of a measure, None where it was not measured."""
        found = (f for f in self.figures if (f.measure, f.group) == (measure, group))
        return next(found, None)
