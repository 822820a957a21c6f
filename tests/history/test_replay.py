from dataclasses import replace

from kept_answers import hit, kept

from rag.history.kept import Seen
from rag.history.replay import compare, compare_words
from rag.query.base.answers import Statement


def changes(before, now, documents=None):
    seen = before.documents if documents is None else documents
    return [(change.kind, change.text) for change in compare(before, now, seen).changes]


def test_same_answer_has_no_changes():
    replay = compare(kept(), replace(kept(), asked_at="later"), kept().documents)
    assert replay.is_same
    assert replay.words() == [("same", "It starts at noon [1].")]


def test_causes_come_before_what_they_caused():
    before = kept()
    now = replace(
        kept("It starts at one [1].", model="gemma", query="When does it?", parts=()),
        settings={**before.settings, "temperature": 0.5},
        embedding="bge",
    )
    assert changes(before, now, [Seen("/docs", "a.md", "f2")]) == [
        ("settings", "temperature: 0.1 → 0.5"),
        ("model", "chat model: qwen3-8b → gemma"),
        ("model", "embedding model: mini → bge"),
        ("question", "searched for: When? / Where? → When does it?"),
        ("document", "a.md was changed"),
        ("answer", "the text is another"),
    ]


def test_document_that_is_gone_is_told():
    gone = [Seen("/docs", "a.md", "")]
    assert changes(kept(), kept(), gone) == [("document", "a.md is not in the index any more")]
    assert changes(kept(), kept(), []) == [("document", "a.md is not in the index any more")]


def test_passages_are_told_that_came_went_or_moved():
    a, b, c = hit("a.md"), hit("b.md", "Two."), hit("c.md", "Three.")
    before, now = kept(hits=(a, b)), kept(hits=(c, a))
    now = replace(now, answer=replace(now.answer, text=before.answer.text))
    assert changes(before, now) == [
        ("passage", "moved: [1] → [2] a.md"),
        ("passage", "gone: [2] b.md"),
        ("passage", "new: [1] c.md"),
    ]


def test_edited_passage_is_one_change_and_many_changes_are_counted():
    text = "The crane lifts {} tonnes, and nobody stands below it while it does."
    before = kept(hits=(hit("a.md", text.format(8)), *(hit(f"{n}.md", f"{n}") for n in range(9))))
    now = kept(hits=(hit("a.md", text.format(9)),))
    assert changes(before, now) == [
        ("passage", "changed: [1] a.md"),
        ("passage", "gone: [2] 0.md"),
        ("passage", "gone: [3] 1.md"),
        ("passage", "gone: [4] 2.md"),
        ("passage", "gone: 6 more"),
    ]


def test_file_that_was_changed_after_it_was_indexed_is_told():
    seen = [Seen("/docs", "a.md", "f1", "was changed since it was indexed")]
    assert changes(kept(), kept(), seen) == [
        ("document", "a.md was changed since it was indexed: rag ingest")
    ]


def test_passage_with_the_same_text_under_another_id_is_the_same():
    one = hit()
    other = replace(one, chunk=replace(one.chunk, id="new-id", ordinal=7, start=90, end=108))
    assert changes(kept(hits=(one,)), kept(hits=(other,))) == []


def test_refusal_and_support_are_told():
    doubted = (Statement(0, 5, (1,), supported=False, problem="27 is not in passage 1"),)
    now = kept(statements=doubted, abstained=True, complete=False)
    assert [text for _, text in changes(kept(), now)] == [
        "refused now",
        "cut off now",
        "statements found in their passages: 1 of 1 → 0 of 1",
    ]


def test_what_was_said_with_the_question_is_no_changed_setting():
    now = replace(kept(), settings={**kept().settings, "top_k": 3, "strict": True})
    assert changes(kept(), now) == []


def test_words_put_together_give_both_texts():
    before, now = "It starts at noon, on 3 May [1].", "It starts at one o'clock on 4 May [1]!"
    pieces = list(compare_words(before, now))
    assert "".join(text for mark, text in pieces if mark != "new") == before
    assert "".join(text for mark, text in pieces if mark != "gone") == now
    assert ("gone", "3") in pieces
    assert ("new", "4") in pieces


def test_texts_that_share_nothing_are_not_mixed():
    before, now = "It starts at noon [1].", "Nobody may stand below a crane while it lifts [1]."
    assert list(compare_words(before, now)) == [("gone", before), ("new", now)]
    pieces = list(compare_words("试用期为三个月。", "试用期为六个月。"))
    assert pieces == [("same", "试用期为"), ("gone", "三"), ("new", "六"), ("same", "个月。")]
