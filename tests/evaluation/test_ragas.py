"""The columns of ragas: what was shown, said and expected, one line for each row answered."""

import json

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.base.rows import Failure, Row
from rag.evaluation.reading.ragas import write_ragas
from rag.evaluation.reading.read import read_cases

COLUMNS = ["user_input", "retrieved_contexts", "reference_contexts", "response", "reference"]


def samples(folder, *rows: Row) -> tuple[int, list[dict[str, object]]]:
    path = folder / "ragas.jsonl"
    left_out = write_ragas(path, rows)
    return left_out, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_row_is_a_sample_and_one_that_failed_is_counted(tmp_path):
    case = Case("a", "Wär's?", (Relevant("a.md", "words"), Relevant("b.md", page=3)), ("yes", "ja"))
    response = Response(
        "Yes [1].", (Passage("a.md", "found"), Passage("b.md", "too")), (Passage("a.md", "shown"),)
    )
    left_out, [sample] = samples(tmp_path, Row(case, response), Row(case, failure=Failure("gone")))
    assert left_out == 1
    assert list(sample) == COLUMNS
    assert list(sample.values()) == ["Wär's?", ["shown"], ["words"], "Yes [1].", "yes"]


def test_what_is_not_known_is_null_in_the_same_columns(tmp_path):
    found = Response(ranked=(Passage("a.md", "found \ud800"),))
    _, [one, other] = samples(
        tmp_path, Row(Case("a", "Who?"), found), Row(Case("b", "What?"), Response("x"))
    )
    assert list(one.values()) == ["Who?", ["found \ud800"], None, None, None]
    assert list(other.values()) == ["What?", None, None, "x", None]


def test_what_is_written_can_be_read_as_cases(tmp_path):
    samples(tmp_path, Row(Case("a", "Who?", answers=("Ida",)), Response("Bo")))
    case = read_cases(tmp_path / "ragas.jsonl").cases[0]
    assert (case.question, case.answers) == ("Who?", ("Ida",))
