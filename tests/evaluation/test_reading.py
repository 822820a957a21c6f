"""Our JSONL: what a line may hold, what is no case, and that it is written as it is read."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.base.errors import PipelineError
from rag.evaluation.base.cases import CRITERIA, Case, CaseSet, Relevant
from rag.evaluation.base.errors import CasesUnreadable
from rag.evaluation.reading.read import read_cases
from rag.evaluation.reading.write import write_cases

ROOT = Path(__file__).parents[2]


def read(folder: Path, *lines: object, name: str = "cases.jsonl") -> CaseSet:
    path = folder / name
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("\n".join(texts), encoding="utf-8")
    return read_cases(path)


def one(folder: Path, **fields: object) -> Case:
    found = read(folder, {"question": "How long is leave?", **fields})
    assert not found.problems
    return found.cases[0]


def problem(folder: Path, **fields: object) -> str:
    found = read(folder, {"question": "Is it good?"}, {"question": "How long?", **fields})
    assert [case.question for case in found.cases] == ["Is it good?"]
    assert [one.place for one in found.problems] == ["cases.jsonl:2"]
    return found.problems[0].message


def test_the_sample_cases_are_read_without_a_problem():
    found = read_cases(ROOT / "data" / "cases.jsonl")
    assert (len(found.cases), found.problems, found.name) == (139, (), "cases.jsonl")
    first = found.cases[0]
    assert first.relevant == (Relevant("handbook/leave.md", "27 working days of annual leave"),)
    assert (first.language, first.tags, first.kind) == ("en", ("number",), "answerable")
    kinds = [case.kind for case in found.cases]
    assert (kinds.count("near-miss"), kinds.count("out-of-corpus")) == (27, 8)


@pytest.mark.parametrize(("said", "relevant"), [
    ("a.md", [Relevant("a.md")]),
    ("a.pdf#p3", [Relevant("a.pdf", page=3)]),
    (["a.pdf#page=12", "b #p0.md"], [Relevant("a.pdf", page=12), Relevant("b #p0.md")]),
    ({"doc": "a.pdf#p3", "excerpt": "x"}, [Relevant("a.pdf", "x", page=3)]),
    ({"doc": "a#p3", "page": 4}, [Relevant("a#p3", page=4)]),
    (["./a/b.md", "a\\b.md", {"doc": ".\\a\\b.md"}], [Relevant("a/b.md")]),
    ({"document": "a.md", "excerpt": "x", "start": 0, "end": 1, "grade": 2},
     [Relevant("a.md", "x", 0, 1, grade=2)]),
    ([{"doc": "a.md", "page": 2, "excerpt": None, "grade": 0}], [Relevant("a.md", page=2, grade=0)]),
    (["a.md", "a.md"], [Relevant("a.md")]),
])  # fmt: skip
def test_evidence_is_a_document_a_page_or_an_excerpt(tmp_path, said, relevant):
    assert one(tmp_path, evidence=said).relevant == tuple(relevant)
    assert one(tmp_path, relevant=said).relevant == tuple(relevant)


@pytest.mark.parametrize("name", ["answers", "answer", "reference", "ground_truth", "expected"])
def test_a_reference_answer_has_many_names(tmp_path, name):
    assert one(tmp_path, **{name: "27 days"}).answers == ("27 days",)
    assert one(tmp_path, **{name: [27, "", "27 days"]}).answers == ("27", "27 days")


def test_an_answer_beside_a_reference_is_what_some_system_said(tmp_path):
    assert one(tmp_path, answer="dunno", ground_truth="27 days").answers == ("27 days",)


def test_a_question_alone_is_answerable_with_nothing_to_compare(tmp_path):
    case = one(tmp_path)
    assert (case.answerable, case.kind, case.relevant, case.answers) == (True, "answerable", (), ())


@pytest.mark.parametrize(("said", "kind"), [
    ({"answerable": False}, "unanswerable"),
    ({"answerable": False, "near": None}, "unanswerable"),
    ({"answerable": False, "near": []}, "out-of-corpus"),
    ({"answerable": "no", "near": "./a.md"}, "near-miss"),
    ({"answerable": False, "near": {"doc": "a.md", "page": 3}}, "near-miss"),
    ({"kind": "near_miss"}, "near-miss"),
    ({"kind": "out-of-corpus", "near": ["a.md"]}, "out-of-corpus"),
])  # fmt: skip
def test_what_must_be_refused_says_so(tmp_path, said, kind):
    case = one(tmp_path, **said)
    assert (case.answerable, case.kind) == (False, kind)


def test_an_id_is_made_from_the_question_and_numbers_are_ids(tmp_path):
    assert one(tmp_path).id == one(tmp_path, tags="a").id != one(tmp_path, question="Who?").id
    assert one(tmp_path, id=17).id == "17"


def test_human_labels_belong_to_the_answer_they_judge(tmp_path):
    case = one(tmp_path, judged_answer="26", labels={"correctness": 0, "faithfulness": 0.5})
    assert (case.judged_answer, case.labels) == ("26", {"correctness": 0.0, "faithfulness": 0.5})
    assert "judged_answer" in problem(tmp_path, labels={"correctness": 1})


@pytest.mark.parametrize(("fields", "said"), [
    ({"question": ""}, "no 'question'"),
    ({"question": "\0?!"}, "no 'question'"),
    ({"question": ["a"]}, "'question' is no text"),
    ({"question": "How \ud800?"}, "half a character"),
    ({"id": True}, "'id' is no text"),
    ({"answers": [{"text": "a"}]}, "'answers' is no text"),
    ({"answerable": "perhaps"}, "neither true nor false"),
    ({"answerable": False, "evidence": "a.md"}, "'near'"),
    ({"answerable": False, "answer": "a"}, "is said to have none"),
    ({"answerable": True, "kind": "near-miss"}, "contradict"),
    ({"near": ["a.md"]}, "\"answerable\": false"),
    ({"kind": "factoid"}, "'tags'"),
    ({"evidence": [3]}, "name of a document"),
    ({"evidence": {"excerpt": "words"}}, "names no document"),
    ({"evidence": {"doc": "a", "excerpt": " \n"}}, "'excerpt' of evidence is blank"),
    ({"evidence": {"doc": "a", "page": 0}}, "'page'"),
    ({"evidence": {"doc": "a", "page": 1.5}}, "'page'"),
    ({"evidence": {"doc": "a", "start": 5, "end": 5}}, "'start'"),
    ({"evidence": {"doc": "a", "start": 5}}, "'start'"),
    ({"evidence": {"doc": "a", "grade": "high"}}, "'grade'"),
    ({"labels": {"correctness": 3}, "judged_answer": "a"}, "from 0 to 1"),
    ({"labels": [1], "judged_answer": "a"}, "from 0 to 1"),
    ({"labels": {"faithfulnes": 1}, "judged_answer": "a"}, "not of 'faithfulnes'"),
])  # fmt: skip
def test_a_line_that_is_no_case_costs_itself_alone(tmp_path, fields, said):
    assert said in problem(tmp_path, **fields)


@pytest.mark.parametrize("line", ["{", "[" * 100_000, "17", "null", "nonsense", "9" * 5000])
def test_a_line_that_is_no_object_is_a_problem(tmp_path, line):
    found = read(tmp_path, {"question": "Who?"}, "", line, {"question": "What?"})
    assert [case.question for case in found.cases] == ["Who?", "What?"]
    assert [one.place for one in found.problems] == ["cases.jsonl:3"]


def test_an_id_that_stood_there_before_is_a_problem(tmp_path):
    found = read(tmp_path, {"id": "a", "question": "Who?"}, {"id": "a", "question": "What?"})
    assert [case.question for case in found.cases] == ["Who?"]
    assert found.problems[0].message == "the id a stood there before"


@pytest.mark.parametrize("text", [
    '[{"question": "Who?"}, "What?"]',
    '[\n{"question": "Who?"},\n{"question": "What?"}\n]',
    '{"data": [{"question": "Who?"}, {"question": "What?"}]}',
    '{"question": "Who?"}\r\n{"question": "What?"}\r\n',
    '\ufeff\n{"question": "Who?"}\n"What?"',
])  # fmt: skip
def test_a_list_and_any_line_ends_and_a_mark_are_read_whatever_the_name(tmp_path, text):
    found = read(tmp_path, text, name="questions.txt")
    assert [case.question for case in found.cases] == ["Who?", "What?"]


@pytest.mark.parametrize(("content", "said"), [
    (b"", "is empty"),
    (b"\xef\xbb\xbf \n\n", "is empty"),
    (b'{"a": 1}\n', "holds no case: cases.jsonl:1"),
    (b"[]", "holds no case"),
    ('{"question": "Wie?"}'.encode("utf-16"), "UTF-16"),
    ('{"question": "Wär es?"}'.encode("latin-1"), "no UTF-8"),
    (b'{"question": "Who?"}\n{"question": "\xff"}', "no UTF-8"),
    (b"%PDF-1.7\x00", "has no column question"),
])  # fmt: skip
def test_what_holds_no_case_says_what_was_expected(tmp_path, content, said):
    path = tmp_path / "cases.jsonl"
    path.write_bytes(content)
    with pytest.raises(CasesUnreadable) as failure:
        read_cases(path)
    assert said in failure.value.message
    assert failure.value.hint


def test_a_file_that_is_missing_or_a_folder_without_cases_says_so(tmp_path):
    with pytest.raises(CasesUnreadable, match="cannot be read"):
        read_cases(tmp_path / "nothing.jsonl")
    with pytest.raises(CasesUnreadable, match=r"no cases\.jsonl"):
        read_cases(tmp_path)
    read(tmp_path, {"question": "Who?"})
    assert read_cases(tmp_path).cases[0].question == "Who?"


def test_fields_of_json_are_mapped_as_columns_are(tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_text('{"Frage": "Wer?", "answer": "no", "soll": "Ida"}', encoding="utf-8")
    case = read_cases(path, {"question": "Frage", "answer": "soll"}).cases[0]
    assert (case.question, case.answers) == ("Wer?", ("Ida",))
    with pytest.raises(CasesUnreadable, match="no part of a case is called colour"):
        read_cases(path, {"colour": "Frage"})


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
NAME = TEXT.filter(lambda text: text.strip() != "" and "\\" not in text and text[:2] != "./")
SPAN = st.integers(0, 9).flatmap(lambda at: st.tuples(st.just(at), st.integers(at + 1, 20)))


@st.composite
def pieces(draw: st.DrawFn) -> Relevant:
    start, end = draw(st.none() | SPAN) or (None, None)
    page = draw(st.none() | st.integers(1, 99))
    grade = draw(st.floats(-9, 9))
    return Relevant(draw(NAME), draw(st.just("") | NAME), start, end, page, grade)


@st.composite
def made_cases(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(["answerable", "near-miss", "out-of-corpus", "unanswerable"]))
    is_answerable = kind == "answerable"
    some = st.lists(NAME, max_size=2, unique=True).map(tuple)
    judged = draw(st.just("") | TEXT)
    return Case(
        draw(TEXT), draw(TEXT) + "?a",
        tuple(draw(st.lists(pieces(), max_size=2, unique=True))) if is_answerable else (),
        draw(some) if is_answerable else (), is_answerable, kind, draw(some), draw(some),
        draw(st.just("") | TEXT), draw(some), judged,
        draw(st.dictionaries(st.sampled_from(CRITERIA), st.floats(0, 1))) if judged else {},
    )  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(made_cases(), min_size=1, max_size=3, unique_by=lambda case: case.id))
def test_what_is_written_is_read_as_the_same(tmp_path_factory, cases):
    path = tmp_path_factory.mktemp("cases") / "cases.jsonl"
    write_cases(path, cases)
    found = read_cases(path)
    assert (found.cases, found.problems) == (tuple(cases), ())


def test_cases_are_written_for_their_owner_alone_and_whole_or_not_at_all(tmp_path):
    path = tmp_path / "cases.jsonl"
    write_cases(path, [Case("a", "Who?")])
    before = path.read_bytes()
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def stopped():
        yield Case("b", "What?")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_cases(path, stopped())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(PipelineError, match="cannot be written"):
        write_cases(tmp_path / "no" / "cases.jsonl", [])
