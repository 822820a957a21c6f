"""Questions answered with sentences of the passages, or refused."""

import pytest

from rag.models.base.passages import NOT_IN_DOCUMENTS, Passage
from rag.models.embedded.encoder import Encoder
from rag.models.embedded.extractive import answer, find_terms
from rag.models.embedded.weights import model_folder

LEAVE = """\
# Leave

How many days of leave do employees get?

Every employee is entitled to 30 days of paid leave a year. Leave is requested from the team
lead at least two weeks ahead. Unused days expire on 31 March of the following year."""
PUMP = """\
## Maintenance

The pump must be serviced every 500 operating hours. Only original seals may be used, since
others leak. The service kit was designed by Martha Keller in 2009."""
FRIST = "Die Kündigungsfrist beträgt drei Monate. Sie gilt für alle Verträge seit 2015."
SEATS = "| Room | Seats |\n|---|---|\n| Oak | 12 |\n| Birch | 40 |\n| Ash | 8 |"
CHINESE = "公司成立于1998年。总部位于上海。员工每年享有十五天带薪年假。"
PASSAGES = [
    Passage(1, "handbook.md › Leave", LEAVE),
    Passage(2, "pump.pdf p. 3 › Maintenance", PUMP),
    Passage(3, "vertrag.txt", FRIST),
    Passage(4, "rooms.md › Meeting rooms", SEATS),
    Passage(5, "公司.txt", CHINESE),
]


@pytest.fixture(scope="module")
def encode(weights_cache):
    return Encoder(model_folder(weights_cache)).encode


@pytest.mark.parametrize(
    ("question", "number", "begins"),
    [
        ("How many days of leave do employees get?", 1, "Every employee is entitled to 30 days"),
        ("When do unused leave days expire?", 1, "Unused days expire on 31 March"),
        ("How often must the pump be serviced?", 2, "The pump must be serviced every 500"),
        ("Who designed the service kit?", 2, "The service kit was designed by Martha"),
        ("Wie lange ist die Kündigungsfrist?", 3, "Die Kündigungsfrist beträgt drei Monate."),
        ("How many seats does the room Birch have?", 4, "| Birch | 40 |"),
        ("公司总部位于哪里？", 5, "总部位于上海。"),
    ],
)
def test_answer_quotes_the_sentence_that_says_it(encode, question, number, begins):
    found = answer(question, PASSAGES, encode)
    assert not found.refused
    assert any(n == number and text.startswith(begins) for n, text in found.sentences)
    texts = {passage.number: passage.text for passage in PASSAGES}
    assert all(text in texts[n] for n, text in found.sentences)


@pytest.mark.parametrize(
    "question",
    [
        "Which team won the ice hockey cup of 1954?",
        "What is the boiling point of mercury?",
        "水银的沸点是多少度？",
        " ",
    ],
)
def test_answer_refuses_what_the_passages_do_not_hold(encode, question):
    found = answer(question, PASSAGES, encode)
    assert found.refused
    assert found.sentences == ()
    assert found.text == NOT_IN_DOCUMENTS


def test_threshold_decides_between_answer_and_refusal(encode):
    question = "How often must the pump be serviced?"
    score = answer(question, PASSAGES, encode).score
    assert 0.5 < score <= 1
    assert answer(question, PASSAGES, encode, threshold=score + 0.01).refused
    assert not answer(question, PASSAGES, encode, threshold=score - 0.01).refused


def test_question_is_never_the_answer(encode):
    question = "How many days of leave do employees get?"
    found = answer(question, [Passage(1, "a", f"{question}\n\n{question}")], encode, threshold=0)
    assert found.refused
    passage = Passage(1, "faq", f"{question} Thirty of them. {question} Ask the team lead.")
    found = answer(question, [passage], encode, threshold=0)
    assert found.sentences
    assert all("?" not in text for _n, text in found.sentences)


def test_second_sentence_needs_to_be_nearly_as_good_and_keeps_reading_order(encode):
    text = "The fee is 20 euros for members. Dogs are welcome. The fee is 30 euros for guests."
    found = answer("How much is the fee?", [Passage(7, "fees.txt", text)], encode)
    assert found.text == (
        '"The fee is 20 euros for members." [7] "The fee is 30 euros for guests." [7]'
    )
    found = answer("Are dogs welcome?", [Passage(7, "fees.txt", text)], encode)
    assert found.text == '"Dogs are welcome." [7]'


def test_heading_helps_a_sentence_that_lost_its_subject(encode):
    passages = [
        Passage(1, "a.md › Model X200", "It weighs 4 kg."),
        Passage(2, "b.md › Model Z900", "It weighs 9 kg."),
    ]
    found = answer("How much does the Z900 weigh?", passages, encode)
    assert (2, "It weighs 9 kg.") in found.sentences
    found = answer("How much does the X200 weigh?", passages[::-1], encode)
    assert (1, "It weighs 4 kg.") in found.sentences


def test_quotation_is_one_line(encode):
    passage = Passage(1, "a", "The gate is opened\nat   six every\nmorning by Ms. Ott.")
    found = answer("When is the gate opened?", [passage], encode)
    assert found.sentences == ((1, passage.text),)
    assert found.text == '"The gate is opened at six every morning by Ms. Ott." [1]'


def test_no_passages_no_answer(encode):
    assert answer("Anything?", [], encode).refused
    assert answer("Anything?", [Passage(1, "a", "\n")], encode).score == 0


def test_terms_ignore_case_plural_width_and_inflection():
    assert find_terms("The Policies") == find_terms("policy")
    assert find_terms("ＡＢＣ１２") == find_terms("abc12")
    assert find_terms("Verträge") == find_terms("vertrags")
    assert find_terms("机器学习") == ["机器", "器学", "学习"]
    assert find_terms("1234567") == ["1234567"]
