from dataclasses import replace

import pytest
from kept_answers import answer

from ingest.base.errors import PipelineError
from rag.history.conversation import INTERRUPTED, Conversation
from rag.history.kept import Kept
from rag.history.store import History
from rag.index.base.selection import Selection
from rag.query.base.answers import refuse
from rag.query.base.questions import Asked


class Script:
    """Answers with what is next; an exception is raised after its words were shown."""

    def __init__(self, history, *steps):
        self.history, self.steps, self.requests = history, list(steps), []

    def ask(self, request, show):
        self.requests.append(request)
        step = self.steps.pop(0)
        if isinstance(step, tuple):
            text, error = step
            show.asked(Asked(request.question, "the whole question"))
            show.text(text)
            raise error
        return replace(step, question=request.question)

    def keep(self, request, given):
        return self.history.keep(Kept(request, given, "2026-11-20T10:00:00+00:00")).answer

    def talk(self, name=""):
        return Conversation(self.ask, self.keep, self.history, name)


@pytest.fixture
def script(tmp_path):
    history = History(tmp_path)
    yield lambda *steps: Script(history, *steps)
    history.close()


def test_each_question_gets_what_was_said_before(script):
    told = script(answer("At noon [1].", query="When?"), refuse("", "m", extractive=False,
                  retrieve_seconds=0.0), *[answer("Again [1].")] * 7)  # fmt: skip
    with told.talk() as talk:
        talk.ask("When?")
        talk.ask("And who?")
        for number in range(7):
            talk.ask(f"{number}?")
    assert told.requests[0].history == ()
    [first, second] = told.requests[2].history
    assert (first.question, first.answer, first.documents) == ("When?", "At noon [1].", ("a.md",))
    assert second.abstained
    assert len(told.requests[-1].history) == 6
    assert len(talk.turns) == 9


def test_conversation_of_a_name_goes_on_where_it_was_left(script):
    told = script(answer(), answer("Later [1]."))
    talk = told.talk("work")
    talk.selection = Selection(suffixes=(".pdf",))
    talk.ask("When?")
    again = told.talk("work")
    assert again.answers == talk.answers
    assert again.selection == Selection(suffixes=(".pdf",))
    again.selection = None
    again.ask("And then?")
    assert told.requests[1].history[0].question == "When?"
    assert told.requests[1].selection is None
    assert [turn.question for turn in told.talk("work").turns] == ["When?", "And then?"]
    assert told.talk("work").selection is None


def test_new_conversation_is_not_there_before_its_first_turn(script):
    told = script(answer())
    talk = told.talk()
    assert talk.name == ""
    assert told.history.conversations() == []
    talk.ask("When?")
    assert [line.name for line in told.history.conversations()] == [talk.name]


def test_stopped_answer_is_kept_marked_as_cut_off(script):
    told = script(("It starts at noon [1] and", KeyboardInterrupt()), answer("At one [1]."))
    talk = told.talk("work")
    shown = []
    with pytest.raises(KeyboardInterrupt):
        talk.ask("When?", on_text=shown.append)
    assert shown == ["It starts at noon [1] and"]
    [cut] = told.talk("work").answers
    assert (cut.text, cut.complete, cut.finish_reason) == (
        "It starts at noon and", False, INTERRUPTED)  # fmt: skip
    assert cut.query == "the whole question"
    talk.ask("And then?")
    assert told.requests[1].history[0].answer == "It starts at noon and"


def test_what_was_stopped_or_failed_before_the_first_word_is_no_turn(script):
    told = script(("", KeyboardInterrupt()), ("", PipelineError("gone")), answer())
    talk = told.talk("work")
    with pytest.raises(KeyboardInterrupt):
        talk.ask("When?")
    with pytest.raises(PipelineError):
        talk.ask("When?")
    assert talk.turns == []
    talk.ask("When?")
    assert len(told.talk("work").turns) == 1


def test_conversation_goes_on_where_nothing_can_be_kept(tmp_path):
    (tmp_path / "answers.sqlite").mkdir()
    told = Script(None, answer(), answer())
    talk = Conversation(told.ask, lambda _request, given: given, None)
    talk.ask("When?")
    talk.ask("And then?")
    assert len(told.requests[1].history) == 1
    assert talk.name == ""


def test_conversation_begun_anew_leaves_the_old_one_as_it_was(script):
    told = script(answer(), answer())
    talk = told.talk("work")
    talk.ask("When?")
    talk.clear()
    assert talk.turns == []
    talk.ask("Who?")
    assert talk.name != "work"
    assert [turn.question for turn in told.talk("work").turns] == ["When?"]


def test_two_programs_in_one_conversation_lose_no_turn(script):
    told = script(*[answer()] * 5)
    one, other = told.talk("work"), told.talk("work")
    for talk, question in ((one, "1?"), (other, "2?"), (one, "3?")):
        talk.ask(question)
    assert [turn.question for turn in told.talk("work").turns] == ["1?", "2?", "3?"]
    told.history.forget("work")
    assert one.ask("4?").notes == answer().notes
    assert [turn.question for turn in told.talk("work").turns] == ["4?"]


def test_answer_that_does_not_get_into_its_conversation_is_given_with_a_note(script, tmp_path):
    told = script(answer(), answer())
    keep = told.keep

    def keep_and_break(request, given):
        given = keep(request, given)
        told.history.close()
        for path in tmp_path.glob("answers.sqlite*"):
            path.write_bytes(b"no database at all" * 99)
        return given

    told.keep = keep_and_break
    talk = told.talk("work")
    given = talk.ask("When?")
    assert given.text == answer().text
    assert "not in the conversation" in given.notes[-1]
    assert talk.answers == [given]
