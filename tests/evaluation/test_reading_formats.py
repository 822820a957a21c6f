"""Formats of others: BEIR with its documents, SQuAD with its articles, tables of any delimiter."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.evaluation.base.cases import CaseSet, Relevant
from rag.evaluation.base.errors import CasesUnreadable
from rag.evaluation.reading.documents import name_documents, write_documents
from rag.evaluation.reading.read import read_cases

CONTEXT = "Mr. Kim owns a boat. It is 12 m long. It was built in Kiel."


def lines(path: Path, *records: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")


def beir(folder: Path, qrels: str, name: str = "qrels/test.tsv") -> Path:
    lines(folder / "corpus.jsonl",
          {"_id": "MED-1", "title": "Fish", "text": "Fish swim."},
          {"_id": "a/../b", "title": "", "text": "Birds fly."})  # fmt: skip
    lines(
        folder / "queries.jsonl",
        {"_id": "q1", "text": "Who swims?"},
        {"_id": "q2", "text": "Who flies?"},
    )
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / name).write_text(qrels, encoding="utf-8")
    return folder


def table(folder: Path, text: str, **columns: str) -> CaseSet:
    path = folder / "cases.csv"
    path.write_bytes(text.encode())
    return read_cases(path, columns)


@pytest.mark.parametrize("qrels", [
    "query-id\tcorpus-id\tscore\nq1\tMED-1\t2\nq1\ta/../b\t0\n",
    "q1\tMED-1\t2\r\nq1\ta/../b\t0\r\n",
    "q1\t0\tMED-1\t2\nq1 0 a/../b 0\n",
])  # fmt: skip
def test_beir_brings_its_documents_and_only_what_was_judged(tmp_path, qrels):
    found = read_cases(beir(tmp_path / "fish", qrels))
    assert [(case.id, case.question) for case in found.cases] == [("q1", "Who swims?")]
    assert found.cases[0].relevant == (Relevant("med-1.txt", grade=2), Relevant("a-b.txt", grade=0))
    assert found.documents == {"med-1.txt": "Fish\n\nFish swim.", "a-b.txt": "Birds fly."}
    assert found.names == {"med-1.txt": "MED-1", "a-b.txt": "a/../b"}
    assert (found.name, found.problems) == ("fish", ())


def test_beir_without_documents_judges_files(tmp_path):
    folder = beir(tmp_path, "q1\tfish/Swim.md\t1\n", "qrels.tsv")
    (folder / "corpus.jsonl").unlink()
    found = read_cases(folder)
    assert (found.cases[0].relevant, dict(found.documents)) == ((Relevant("fish/Swim.md"),), {})


def test_beir_takes_the_split_that_is_named_else_the_test_set_else_the_only_one(tmp_path):
    folder = beir(tmp_path, "q2\tMED-1\t1\n", "qrels/dev.tsv")
    assert read_cases(folder).cases[0].id == "q2"
    beir(tmp_path, "q1\tMED-1\t1\n", "qrels/train.tsv")
    with pytest.raises(CasesUnreadable, match="it has dev, train"):
        read_cases(folder)
    beir(tmp_path, "q1\tMED-1\t1\n")
    assert [read_cases(folder, split=split).cases[0].id for split in ("", "dev")] == ["q1", "q2"]


def test_beir_tells_what_is_missing_or_broken_and_goes_on(tmp_path):
    folder = beir(tmp_path, "q1\tMED-1\t1\nq1\tgone\t1\nq9\tMED-1\t1\nq1\tMED-1\tmuch\n")
    with (folder / "corpus.jsonl").open("a") as corpus:
        corpus.write('{"_id": "MED-1", "text": "again"}\nnonsense\n{"_id": "x", "text": 3}\n')
    found = read_cases(folder)
    assert len(found.cases[0].relevant) == 2
    assert [one.place for one in found.problems] == [
        "test.tsv:4", "corpus.jsonl:3", "corpus.jsonl:4", "corpus.jsonl:5", "query q9", "query q1",
    ]  # fmt: skip


def squad(*questions: object, context: str = CONTEXT) -> dict[str, object]:
    first = {"context": "Boats float.", "qas": []}
    paragraphs = [first, {"context": context, "qas": list(questions)}]
    return {"version": "v2.0", "data": [{"title": "Small_Boats", "paragraphs": paragraphs}]}


@pytest.mark.parametrize("indent", [None, 1])
def test_squad_brings_its_articles_and_the_sentence_of_the_answer(tmp_path, indent):
    gold = [
        {"text": "12 m", "answer_start": CONTEXT.index("12 m")},
        {"text": "12 m long", "answer_start": 27},
    ]
    whole = squad(
        {"id": "a", "question": "How long is it?", "answers": gold},
        {"id": "b", "question": "Who built it?", "is_impossible": True, "answers": []},
    )
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(whole, indent=indent), encoding="utf-8")
    found = read_cases(path)
    assert found.documents == {"small-boats.txt": f"Small Boats\n\nBoats float.\n\n{CONTEXT}"}
    one, other = found.cases
    piece = one.relevant[0]
    assert (one.answers, piece.excerpt) == (("12 m", "12 m long"), "It is 12 m long.")
    assert found.documents[piece.document][piece.start : piece.end] == piece.excerpt
    assert (other.kind, other.near, other.answerable) == ("near-miss", ("small-boats.txt",), False)
    assert found.problems == ()


def test_squad_with_wrong_offsets_or_shapes_costs_the_question_alone(tmp_path):
    path = tmp_path / "dev.json"
    whole = squad(
        {"id": "a", "question": "Where?", "answers": [{"text": "Kiel", "answer_start": 3}]},
        {"id": "b", "question": "When?", "answers": [{"text": "never", "answer_start": "x"}]},
        {"id": "c", "question": "Who?", "answers": 7}, "nonsense",
    )  # fmt: skip
    whole["data"] += ["nonsense", {"paragraphs": 3}, {"title": "Small_Boats", "paragraphs": [0]}]
    path.write_text(json.dumps(whole), encoding="utf-8")
    found = read_cases(path)
    excerpts = [case.relevant[0].excerpt for case in found.cases]
    assert excerpts == ["It was built in Kiel.", CONTEXT]
    assert [one.place[-10:] for one in found.problems] == ["question 3", "question 4"]
    assert len(found.documents) == 4


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_has_any_delimiter_and_usual_names(tmp_path, sign, mark):
    rows = [
        ["Question", "Ground Truth", "File", "Page", "tags"],
        ["Who?", '"Ida, the cook"', "a b.pdf", "3", '"x, y"'],
    ]
    found = table(tmp_path, mark + "\r\n".join(sign.join(row) for row in rows))
    case = found.cases[0]
    assert (case.question, case.answers, case.tags) == ("Who?", ("Ida, the cook",), ("x", "y"))
    assert (case.relevant, found.problems) == ((Relevant("a b.pdf", page=3),), ())


def test_rows_of_one_id_or_question_join_what_they_say(tmp_path):
    found = table(
        tmp_path,
        "id,question,expected,source,excerpt\n"
        'a,Who?,Ida,a.md,"the\ncook"\nb,What?,,b.pdf#p2,\na,,Ida,c.md,x\na,Whom?,,d.md,\n'
        ',When?,"[""May"", ""June""]","[""e.md"", ""f.md#p1""]",\n,When?,,g.md,\n',
    )
    assert [(case.question, case.answers) for case in found.cases] == [
        ("Who?", ("Ida",)), ("What?", ()), ("When?", ("May", "June"))]  # fmt: skip
    first, second, third = (case.relevant for case in found.cases)
    assert first == (Relevant("a.md", "the\ncook"), Relevant("c.md", "x"))
    assert second == (Relevant("b.pdf", page=2),)
    assert third == (Relevant("e.md"), Relevant("f.md", page=1), Relevant("g.md"))
    assert [(one.place, one.message[:18]) for one in found.problems] == [
        ("cases.csv:6", "another 'question'")
    ]


def test_a_table_says_what_must_be_refused(tmp_path):
    found = table(
        tmp_path, "question,answerable,near\nA?,no,\nB?,FALSE,a.md\nC?,,\nD?,true,\nE?,hm,\n"
    )
    assert [case.kind for case in found.cases] == [
        "unanswerable",
        "near-miss",
        "answerable",
        "answerable",
    ]
    assert [one.place for one in found.problems] == ["cases.csv:6"]


def test_columns_of_a_table_are_mapped(tmp_path):
    found = table(tmp_path, "Frage;Soll\nWer?;Ida\n", question="Frage", answer="Soll")
    assert (found.cases[0].question, found.cases[0].answers) == ("Wer?", ("Ida",))
    with pytest.raises(CasesUnreadable, match="no column question; it has Frage, Soll"):
        table(tmp_path, "Frage;Soll\nWer?;Ida\n")
    with pytest.raises(CasesUnreadable, match="no column fragen"):
        table(tmp_path, "Frage;Soll\nWer?;Ida\n", question="Fragen")


def test_two_columns_of_one_name_are_told_of_where_they_are_read(tmp_path):
    found = table(tmp_path, "question,note,note\nWho?,a,b\n")
    assert found.cases[0].question == "Who?"
    for twice in ("question,answer,Answer", "answer,answer,question"):
        with pytest.raises(CasesUnreadable, match="two columns called answer"):
            table(tmp_path, f"{twice}\nWho?,Ida,Bo\n")


def test_a_row_that_cannot_be_read_costs_itself_alone(tmp_path):
    found = table(tmp_path, f"question,answer\nA?,{'x' * 140_000}\nB?,y,beyond,it\n\n,z\nC?,\0\n")
    assert [case.question for case in found.cases] == ["B?", "C?"]
    assert [one.place for one in found.problems] == ["cases.csv:2", "cases.csv:5"]


ODD = ["", "..", "../../etc/passwd", "/a", "a/b", "A/b", "a b", "con", "CON.txt", "a.txt", "a", "A",
       "x" * 300, "x" * 299, "日本", "ß", "ss", "a\0", "\ud800", ".hidden", "-", "a.txt.txt"]  # fmt: skip


@given(st.lists(st.text(max_size=8) | st.sampled_from(ODD), unique=True))
def test_names_are_safe_unlike_and_lasting(ids):
    names = name_documents(ids)
    assert set(names) == set(ids)
    assert len(set(names.values())) == len(ids)
    for name in names.values():
        assert name.removesuffix(".txt").replace("-", "").isalnum()
        assert name.isascii()
        assert name == name.lower()
        assert len(name) < 80
        assert name not in {"con.txt", "nul.txt"}
    assert name_documents(reversed(ids)) == names
    assert name_documents(names.values()) == {name: name for name in names.values()}


def test_documents_are_files_for_their_owner_alone_and_stay_as_they_are(tmp_path):
    texts = {one: f"text\r\n{number}\ud800" for number, one in enumerate(ODD)}
    folder = tmp_path / "documents"
    names = write_documents(folder, texts)
    assert sorted(path.name for path in folder.iterdir()) == sorted(names.values())
    for one, name in names.items():
        assert (folder / name).read_bytes().decode() == texts[one].replace("\ud800", "?")
    first = folder / names["a"]
    if sys.platform != "win32":
        assert stat.S_IMODE(first.stat().st_mode) == 0o600
    before = first.stat().st_mtime_ns
    write_documents(folder, texts)
    assert first.stat().st_mtime_ns == before
