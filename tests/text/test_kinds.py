"""What a question asks for, and whether a sentence holds it."""

import pytest

from rag.text.kinds import gives, kinds_asked


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who kept the key?", "person"),
        ("Wem gehört der Schlüssel?", "person"),
        ("谁保管钥匙？", "person"),
        ("When does the shift end?", "date"),
        ("In which year was it built?", "date"),
        ("Seit wann gilt das?", "date"),
        ("什么时候开门？", "date"),
        ("How many seats are there?", "number"),
        ("Wie schwer ist die Boje?", "number"),
        ("有多少员工？", "number"),
        ("How long is the notice?", "duration"),
        ("What does the modem cost? Its price?", "price"),
        ("What percentage goes to the members?", "percentage"),
        ("Where is the key?", "place"),
        ("Why is it closed?", "reason"),
    ],
)
def test_kind_is_told_by_the_words_that_ask(question, kind):
    assert kind in {one.name for one in kinds_asked(question)}


def test_no_kind_where_the_words_do_not_tell():
    assert list(kinds_asked("What is a mooring?")) == []


@pytest.mark.parametrize(
    ("question", "given", "not_given"),
    [
        ("Who kept the key?", "It was kept by Ada.", "It was kept in a box."),
        ("When does it end?", "It ends in March.", "It ends too soon."),
        ("How many are there?", "There are twelve.", "There are enough."),
        ("How long is it?", "It lasts 3 weeks.", "It costs 3 euro."),
        ("How much does it cost?", "It costs 30 euro.", "It is cheap."),
        ("What share is kept?", "It is 40 percent.", "Nothing is."),
        ("Where is it?", "It stands in Ulm.", "It stands firm."),
        ("Why is it closed?", "It is closed because of ice.", "It is closed."),
        ("Wann ist offen?", "Offen ist freitags.", "Offen ist nie."),
        ("有多少人？", "有十二人。", "有人。"),
    ],
)
def test_sentence_gives_what_was_asked_for(question, given, not_given):
    kinds = kinds_asked(question)
    assert gives(given, question, kinds)
    assert not gives(not_given, question, kinds)


def test_what_the_question_says_itself_is_no_answer():
    question = "How many Herons of 22 kg are there?"
    assert not gives("A Heron weighs 22 kg.", question, kinds_asked(question))


def test_nothing_is_given_where_nothing_is_asked_for():
    assert not gives("Ada, 12 March, 30 euro.", "So?", kinds_asked("So?"))
