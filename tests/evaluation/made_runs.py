"""Reports of any size made by hand, as realistic as a test or a look in a browser needs."""

import random
from dataclasses import replace

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Passage, Response, Said, Spent
from rag.evaluation.base.rows import Failure, Figure, Manifest, Report, Row, Verdict
from rag.evaluation.compare.compare import Comparison, Difference

MEASURES = (
    "R@1", "R@5", "R@10", "nDCG@10", "RR@10",
    "evidence-R@500tokens", "evidence-R@1000tokens", "evidence-R@2000tokens",
    "token-F1", "citation-P", "support-rate", "seconds-total",
)  # fmt: skip
EVIL = "</script><!--<script>hit()</script><img src=x onerror=hit()>\u2028|`x` [a](b)"
"""A text that is markup wherever it is not escaped."""
_KINDS = ("answerable", "answerable", "answerable", "near-miss", "out-of-corpus")
_WORDS = [
    "leave",
    "days",
    "are",
    "granted",
    "after",
    "six",
    "months",
    "of",
    "service",
    "and",
    "carried",
    "over",
    "until",
    "March",
    "invoices",
    "above",
    "the",
    "limit",
    "need",
    "a",
    "second",
    "signature",
    "from",
    "the",
    "head",
    "of",
    "the",
    "department",
]


def make_row(number: int, chance: random.Random, better: float = 0.0) -> Row:
    """Return a case with an answer of two statements over ten passages, or a refusal."""
    kind = _KINDS[number % len(_KINDS)]
    is_answerable = kind == "answerable"
    passages = tuple(_passage(number, rank, chance) for rank in range(10))
    rank = min(9, int(chance.expovariate(0.5 + better)))
    relevant = (Relevant(passages[rank].document, excerpt=passages[rank].text[30:90].strip()),)
    case = Case(
        f"q{number:04}",
        f"How many days of leave does rule {number} grant, and until when?",
        relevant if is_answerable else (),
        (f"{number} days, until March",) if is_answerable else (),
        is_answerable,
        kind,
        language=("en", "de")[number % 7 == 0],
        tags=("table",) if number % 4 == 0 else (),
    )
    if number % 41 == 40:
        return Row(case, failure=Failure("the model did not answer in 60 s", "raise RAG_TIMEOUT"))
    score = min(1.0, max(0.0, chance.gauss(0.7 if is_answerable else 0.35, 0.15)))
    abstained = score < 0.45
    text = "" if abstained else f"Rule {number} grants {number} days 🙂. They stay until March."
    return Row(
        case,
        Response(
            text,
            passages,
            passages[:4],
            () if abstained else (_said(text, "Rule", ".", True), _said(text, "They", ".", False)),
            abstained,
            score,
            Spent(
                chance.uniform(0.01, 0.05), chance.uniform(0.2, 0.6), chance.lognormvariate(0, 0.5)
            ),
        ),
        _measures(rank, is_answerable, chance, better),
        {"faithfulness": _verdict(chance)} if text else {},
    )


def make_report(cases: int = 60, seed: int = 1, better: float = 0.0, name: str = "first") -> Report:
    """Return a run of so many cases; with `better` it finds more."""
    chance = random.Random(seed)
    rows = tuple(make_row(number, chance, better) for number in range(cases))
    groups = {"": rows}
    for row in rows:
        groups.setdefault(f"kind={row.case.kind}", ())
        groups.setdefault(f"language={row.case.language}", ())
    for group in list(groups)[1:]:
        part, _, value = group.partition("=")
        groups[group] = tuple(row for row in rows if getattr(row.case, part) == value)
    figures = tuple(_figure(m, rows, group) for group, rows in groups.items() for m in MEASURES)
    return Report(make_manifest(name), rows, figures, {"cases": cases, "judge unread": 3})


def make_manifest(name: str) -> Manifest:
    return Manifest(
        name, "f" * 64, "2026-01-02T03:04:05Z", "1.0", "rag with gemma-3-4b",
        {"top_k": 10, "chunk_tokens": 200, "chat_model": "gemma-3-4b"},
        {"model": "all-MiniLM-L6-v2", "documents": 120, "chunks": 4321},
        MEASURES, "cases.jsonl", "c" * 64, "gemma-3-4b, each asked twice",
        command="rag evaluate cases.jsonl",
    )  # fmt: skip


def make_comparison(cases: int = 60) -> Comparison:
    """Return two runs of the same cases, the second a little better."""
    first, second = make_report(cases), make_report(cases, better=0.5, name="second")
    differences = tuple(_difference(measure, first, second) for measure in MEASURES)
    return Comparison(
        first, second, differences, cases, notes=("top_k: 5 in the first, 10 in the second",)
    )


def with_row(report: Report, row: Row) -> Report:
    """Return a report with one more row in front."""
    return replace(report, rows=(row, *report.rows))


def make_evil_report() -> Report:
    """Return a run in which every text is EVIL."""
    passage = Passage(EVIL, EVIL)
    case = Case(EVIL, EVIL, (Relevant(EVIL, EVIL),), (EVIL,), tags=(EVIL,), language=EVIL)
    report = make_report(12, name=EVIL)
    made = replace(report.manifest, settings={EVIL: EVIL}, system=EVIL, index={EVIL: EVIL})
    return replace(
        with_row(report, Row(case, Response(EVIL, (passage,), (passage,)))), manifest=made
    )


def _passage(number: int, rank: int, chance: random.Random) -> Passage:
    text = f"Rule {number}.{rank}: " + " ".join(chance.choices(_WORDS, k=60))
    return Passage(f"rules/part-{number % 9}.pdf", text, page=1 + rank, score=0.9 - rank / 20)


def _said(text: str, start: str, end: str, supported: bool) -> Said:
    at = text.index(start)
    return Said(at, text.index(end, at) + 1, (0,), supported)


def _verdict(chance: random.Random) -> Verdict:
    said = (float(chance.random() < 0.8), float(chance.random() < 0.8))
    if chance.random() < 0.05:
        return Verdict(None, (), ("no JSON", "no JSON"), None)
    return Verdict(sum(said) / 2, said, (), said[0] == said[1], "both days and month are in [1]")


def _measures(
    rank: int, is_answerable: bool, chance: random.Random, better: float
) -> dict[str, float | None]:
    if not is_answerable:
        return dict.fromkeys(MEASURES[:-1]) | {"seconds-total": chance.lognormvariate(0, 0.5)}
    found = [float(rank < k) for k in (1, 5, 10)]
    shares = [min(1.0, chance.random() + share + better / 5) for share in (0.1, 0.3, 0.5)]
    rest = [round(chance.random(), 3), float(chance.random() < 0.9), float(chance.random() < 0.5)]
    values = [*found, 1 / (rank + 1), 1 / (rank + 1), *shares, *rest, chance.lognormvariate(0, 0.5)]
    return dict(zip(MEASURES, values, strict=True))


def _figure(measure: str, rows: tuple[Row, ...], group: str) -> Figure:
    values = [value for row in rows if (value := row.measures.get(measure)) is not None]
    missing = sum(row.failure is not None for row in rows)
    if not values:
        return Figure(measure, None, None, None, 0, missing, group)
    mean = sum(values) / len(values)
    reach = 1.96 * (sum((v - mean) ** 2 for v in values) / len(values) ** 2) ** 0.5
    return Figure(measure, mean, mean - reach, mean + reach, len(values), missing, group)


def _difference(measure: str, first: Report, second: Report) -> Difference:
    pairs = [
        (a, b)
        for one, two in zip(first.rows, second.rows, strict=True)
        if (a := one.measures.get(measure)) is not None
        and (b := two.measures.get(measure)) is not None
    ]
    changes = [b - a for a, b in pairs]
    value = sum(changes) / len(changes)
    reach = 1.96 * (sum((c - value) ** 2 for c in changes) / len(changes) ** 2) ** 0.5
    p = 0.01 if abs(value) > reach else 0.4
    return Difference(
        measure,
        sum(a for a, _ in pairs) / len(pairs),
        sum(b for _, b in pairs) / len(pairs),
        value, value - reach, value + reach, p, min(1.0, p * 3), reach * 1.43, len(pairs),
        sum(c > 0 for c in changes), sum(c < 0 for c in changes), sum(c == 0 for c in changes),
    )  # fmt: skip
