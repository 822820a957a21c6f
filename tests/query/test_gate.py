import json
import shutil
from pathlib import Path

import pytest
from asked_server import AskedServer, write_documents

from ingest.base.documents import Chunk
from rag import Pipeline, Settings
from rag.models.base.passages import NOT_IN_DOCUMENTS
from rag.query.base.hits import Hit, Retrieval
from rag.query.evidence.calibration import Calibration
from rag.query.evidence.gate import judge
from rag.text.terms import index_terms, query_terms

DATA = Path(__file__).parents[2] / "data"
TEXTS = (
    "The North Quay office opened in Merrowby on 4 May 2019. It is the largest of the offices.",
    "Annual leave is 27 working days. Longer leave must be asked for three weeks before.",
    "The reactor may be opened while the pump runs. Ada Fell signs the log of the reactor.",
    "浮标的密封圈每两年更换一次。更换时先关闭电源。",
)


def find(question: str, *cosines: float) -> Retrieval:
    """What a search finds in the texts above, with these cosines, best first."""
    cosines = cosines or (0.55, 0.2, 0.1, 0.1)
    terms = query_terms(question)
    chunks = [Chunk(str(n), f"{n}.md", n, text, 0, len(text), 20, None, f"{n}")
              for n, text in enumerate(TEXTS)]  # fmt: skip
    words = {c.id: float(len(set(terms) & set(index_terms(c.text)))) for c in chunks}
    chunks.sort(key=lambda chunk: -words[chunk.id])
    hits = [Hit(chunk, cosine, rank, {}, scores={"dense": cosine, "words": words[chunk.id]})
            for rank, (chunk, cosine) in enumerate(zip(chunks, cosines, strict=True), start=1)]  # fmt: skip
    held = {t: sum(t in index_terms(text) for text in TEXTS) for t in terms}
    return Retrieval(question, tuple(hits), {}, (), tuple(terms), held, 100)


def score(question: str, *cosines: float) -> float:
    return judge(question, [find(question, *cosines)], Calibration(), None).score


def reasons(question: str) -> str:
    return "\n".join(judge(question, [find(question)], Calibration(), None).reasons)


def test_question_in_the_words_of_a_passage_is_answered():
    evidence = judge("q", [find("When was the North Quay office opened?")], Calibration(), None)
    assert evidence.is_enough
    assert evidence.score > 0.9


def test_question_about_something_else_is_refused():
    question = "How long should a sourdough loaf prove in the fridge?"
    evidence = judge(question, [find(question, 0.1, 0.1, 0.1, 0.05)], Calibration(), None)
    assert not evidence.is_enough
    assert "sourdough" in evidence.reasons[-1]


@pytest.mark.parametrize(
    ("asked", "changed", "said"),
    [
        ("What may be opened while the pump runs?", "What may not be opened while the pump runs?",
         "is not so"),
        ("Which is the largest of the offices?", "Which is the smallest of the offices?",
         '"smallest"'),
        ("Which office opened in Merrowby on 4 May 2019?",
         "Which office opened in Merrowby on 9 June 2021?",
         'none of the 4 nearest passages has "9 June 2021"'),
    ],
)  # fmt: skip
def test_near_miss_has_less_evidence_and_says_why(asked, changed, said):
    assert score(changed) < score(asked) - 0.02
    assert said in reasons(changed)
    assert said not in reasons(asked)


def test_name_that_no_passage_has_is_told():
    assert 'none of the 4 nearest passages has "Toronto"' in reasons(
        "Which office opened in Toronto?"
    )


def test_kind_that_no_sentence_gives_is_told():
    assert "asks for a number" in reasons("How many people sign the log of the reactor?")


def test_chinese_question_is_judged_by_its_signs():
    assert score("密封圈多久更换一次？", 0.5, 0.5, 0.5, 0.5) > 0.5
    assert score("去日本旅游需要办签证吗？", 0.3, 0.3, 0.3, 0.3) < 0.5


def test_scale_of_another_embedding_model_is_taken_into_account():
    question, cosines = "Is the sourdough loaf in Merrowby?", (0.82, 0.8, 0.8, 0.8)
    found = [find(question, *cosines)]
    plain = judge(question, found, Calibration(), None)
    scaled = judge(question, found, Calibration(floor=0.8, related=0.92), None)
    assert scaled.score < plain.score


def test_threshold_that_is_set_takes_the_place_of_the_calibrated_one():
    question = "How long should a sourdough loaf prove?"
    found = [find(question, 0.1, 0.1, 0.1, 0.1)]
    assert judge(question, found, Calibration(0.9), None).threshold == 0.9
    assert judge(question, found, Calibration(0.9), 0.0).is_enough


def test_of_several_parts_the_best_scores_and_the_worst_is_told():
    parts = ["When was the North Quay office opened?", "How long does a sourdough loaf prove?"]
    whole = " And ".join(parts)
    evidence = judge(whole, [find(part) for part in parts], Calibration(), None)
    assert evidence.score == score(parts[0])
    assert all(reason.startswith(f"of '{parts[1]}': ") for reason in evidence.reasons)


def test_word_that_asks_is_not_told_as_missing_whatever_the_language():
    said = reasons("¿Cuántos bolígrafos hay?")
    assert "bolígrafos" in said
    assert "Cuántos" not in said


def test_kind_is_not_missed_where_the_passage_gives_it_beside_its_heading():
    text = "Capacity of the fire pump\n\nIt delivers 999 litres per minute."
    chunk = Chunk("1", "pump.md", 0, text, 0, len(text), 20, None, "Pump")
    question = "What amount is the capacity of the fire pump?"
    one = Retrieval(question, (Hit(chunk, 0.5, 1, {}, scores={"dense": 0.5}),), {}, (),
                    tuple(query_terms(question)), {}, 100)  # fmt: skip
    assert "asks for a number" not in "".join(judge(question, [one], Calibration(), None).reasons)


def test_all_words_counted_as_missing_are_named():
    said = reasons("Toronto zeppelin?").splitlines()[-1]
    assert 'none of the 2 words of the question: not "Toronto" or "zeppelin"' in said


def test_nothing_found_is_no_evidence():
    evidence = judge("What?", [Retrieval("What?", ())], Calibration(), None)
    assert (evidence.score < 0.01, evidence.reasons) == (True, ("no passage was found",))
    assert judge("What?", [], Calibration(), None).score == 0.0


def test_model_is_not_asked_where_the_evidence_is_too_low(tmp_path):
    write_documents(tmp_path / "docs", 3)
    with AskedServer().running() as server:
        settings = Settings.load({"endpoint": server.url, "index_dir": tmp_path / "index",
                                  "parse_workers": 0, "refusal_threshold": 1.0})  # fmt: skip
        with Pipeline(settings) as pipeline:
            pipeline.ingest(tmp_path / "docs")
            answer = pipeline.ask("Who won the chess championship of 1972 in Reykjavik?")
        assert server.asked("/v1/chat/completions") == []
    assert answer.abstained
    assert answer.context
    assert answer.evidence is not None
    assert answer.evidence.reasons


def test_refusal_of_a_model_that_was_asked_has_a_reason(tmp_path):
    write_documents(tmp_path / "docs", 3)
    with AskedServer().running() as server:
        server.on("/v1/chat/completions", lambda _request: server.reply_as(NOT_IN_DOCUMENTS))
        settings = Settings.load({"endpoint": server.url, "index_dir": tmp_path / "index",
                                  "parse_workers": 0, "refusal_threshold": 0.0})  # fmt: skip
        with Pipeline(settings) as pipeline:
            pipeline.ingest(tmp_path / "docs")
            answer = pipeline.ask("What is the secret word of part 1?")
    assert answer.abstained
    assert answer.evidence.is_enough
    said = f"the model found no answer in the {len(answer.context)} passages it read"
    assert answer.evidence.reasons[0] == said


def test_few_answerable_questions_of_the_samples_are_refused(tmp_path, weights_cache):
    documents = tmp_path / "docs"
    for file in sorted((DATA / "documents").rglob("*")):
        if file.suffix in (".md", ".txt", ".rst"):
            target = documents / file.relative_to(DATA / "documents")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    known = {path.relative_to(documents).as_posix() for path in documents.rglob("*.*")}
    lines = (DATA / "cases.jsonl").read_text("utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    asked = [c["question"] for c in cases
             if c["evidence"] and all(one["doc"] in known for one in c["evidence"])]  # fmt: skip
    other = [c["question"] for c in cases if "out-of-corpus" in c["tags"]]
    settings = Settings.load({"endpoint": "embedded", "index_dir": tmp_path / "index",
                              "cache_dir": weights_cache, "parse_workers": 0})  # fmt: skip
    with Pipeline(settings) as pipeline:
        pipeline.ingest(documents)

        def refused(questions: list[str]) -> float:
            found = [pipeline.explain(question) for question in questions]
            judged = [judge(one.question, [one], Calibration(), None) for one in found]
            return sum(not evidence.is_enough for evidence in judged) / len(questions)

        assert len(asked) > 30
        # Several of these words stand nowhere in the documents, which are few here.
        assert refused(asked) <= 0.13
        assert refused(other) >= 0.5
