"""TREC: trec_eval over what is written gives our figures, and what is written is read again."""

from __future__ import annotations

import random

import ir_measures
import pytest

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.errors import CasesUnreadable
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.base.rows import Failure, Row
from rag.evaluation.measures.matching import judge_passages
from rag.evaluation.measures.ranking import FORMULAS
from rag.evaluation.reading.trec import read_trec_qrels, read_trec_run, write_trec

NAMES = ("nDCG@10", "nDCG@3", "R@5", "P@5", "RR", "AP", "Success@3")


def write(folder, rows, names=None):
    run, qrels = folder / "run.trec", folder / "qrels.trec"
    written = write_trec(run, qrels, rows, "a system", names or {})
    return written, run, qrels


def theirs(run, qrels) -> dict[tuple[str, str], float]:
    measures = [ir_measures.parse_measure(name) for name in NAMES]
    found = ir_measures.iter_calc(
        measures,
        list(ir_measures.read_trec_qrels(str(qrels))),
        list(ir_measures.read_trec_run(str(run))),
    )
    return {(one.query_id, str(one.measure)): one.value for one in found}


def ours(row: Row) -> dict[tuple[str, str], float]:
    judged = judge_passages(row.response.ranked, row.case.relevant)
    values = {}
    for name in NAMES:
        base, _, k = name.partition("@")
        values[row.case.id, name] = FORMULAS[base](judged, int(k) if k else None)
    return values


def make_row(number: int, draw: random.Random) -> Row:
    """Make a case with documents, pages or excerpts as evidence, each in a passage of its own."""
    kind = draw.choice(["document", "page", "excerpt", "mixed"])
    places = [(document, page) for document in range(6) for page in range(1, 5)]
    if kind == "document":
        found = draw.sample(range(6), draw.randint(1, 4))
        pieces = [
            Relevant(f"d{one} é", grade=draw.randint(0 if i else 1, 3))
            for i, one in enumerate(found)
        ]
    else:
        chosen = draw.sample(places, draw.randint(1, 5))
        pieces = [
            Relevant(f"d{d} é", page=p, grade=draw.choice([0.5, 1, 2]))
            if kind == "page" or (kind == "mixed" and draw.random() < 0.5)
            else Relevant(f"d{d} é", f"words of {p} in {d}", p * 100 + 10, p * 100 + 40)
            for d, p in chosen
        ]
    ranked = tuple(
        Passage(f"d{d} é", "", p * 100, p * 100 + 100, p)
        for d, p in draw.choices(places, k=draw.randint(0, 20))
    )
    return Row(Case(f"q{number}", "?", tuple(pieces)), Response(ranked=ranked))


def test_trec_eval_gives_our_figures_over_documents_pages_and_excerpts(tmp_path):
    draw = random.Random(1)
    rows = [make_row(number, draw) for number in range(300)]
    written, run, qrels = write(tmp_path, rows)
    expected = {key: value for row in rows for key, value in ours(row).items()}
    assert written == 300
    assert theirs(run, qrels) == pytest.approx(expected, abs=1e-9)


def test_pieces_of_one_passage_stand_one_behind_the_other(tmp_path):
    pieces = (Relevant("a", page=1), Relevant("a", "x", 0, 5), Relevant("b", page=2))
    passages = (Passage("a", start=0, end=9, page=1), Passage("c"), Passage("b", page=2))
    _, run, _ = write(tmp_path, [Row(Case("q", "?", pieces), Response(ranked=passages))])
    assert list(read_trec_run(run)["q"]) == ["a#e1", "a#e2", "c#r2", "b#e3"]


def test_documents_are_called_as_in_their_set_and_stand_once(tmp_path):
    case = Case("q 1%", "?", (Relevant("med-1.txt"), Relevant("b", grade=0)))
    passages = (
        Passage("x", places=("med-1.txt",)),
        Passage("x"),
        Passage("med-1.txt"),
        Passage(""),
    )
    _, run, qrels = write(tmp_path, [Row(case, Response(ranked=passages))], {"med-1.txt": "MED 1"})
    assert run.read_text().splitlines()[0] == "q%201%25 Q0 MED%201 1 3 a%20system"
    assert list(read_trec_run(run)["q 1%"]) == ["MED 1", "x", "\0"]
    assert read_trec_qrels(qrels) == {"q 1%": {"MED 1": 1, "b": 0}}


def test_what_cannot_be_measured_is_left_out_and_nothing_found_is_nought(tmp_path):
    case = Case("q", "?", (Relevant("a"),))
    rows = [
        Row(case, Response(ranked=())),
        Row(Case("failed", "?", (Relevant("a"),)), failure=Failure("no answer")),
        Row(Case("none", "?"), Response(ranked=(Passage("a"),))),
        Row(Case("untold", "?", (Relevant("a"),)), Response("text")),
    ]
    written, run, qrels = write(tmp_path, rows)
    assert (written, set(read_trec_run(run)), set(read_trec_qrels(qrels))) == (1, {"q"}, {"q"})
    assert set(theirs(run, qrels).values()) == {0.0}


def test_runs_of_others_are_read_and_a_broken_line_is_told(tmp_path):
    path = tmp_path / "run"
    path.write_text("1 Q0 d1 1 2.5 bm25\n\n1\tQ0\td2\t2\t-1e3\tbm25\n", encoding="utf-8")
    assert read_trec_run(path) == {"1": {"d1": 2.5, "d2": -1000.0}}
    for line in ("1 Q0 d1 1 high bm25", "1 Q0 d1 1 nan bm25", "1 0 d1 1"):
        path.write_text(f"1 Q0 d1 1 2 bm25\n{line}\n", encoding="utf-8")
        with pytest.raises(CasesUnreadable, match="run:2 has not the 6 fields"):
            read_trec_run(path)
    with pytest.raises(CasesUnreadable, match="cannot be read"):
        read_trec_qrels(tmp_path / "none")
