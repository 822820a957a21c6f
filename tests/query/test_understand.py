import sqlite3

import pytest

from rag.index.store.records import Selection, StoredDocument
from rag.models.base.errors import BadResponse
from rag.query.base.questions import Turn
from rag.query.question.follow import needs_what_was_said
from rag.query.question.kind import is_survey, read_wanted
from rag.query.question.language import language_of
from rag.query.question.parts import split_question
from rag.query.question.selected import exactly, holds
from rag.query.question.understand import understand

NAMES = (
    "handbook/leave.md", "handbook/travel.md", "minutes/minutes-2025-03-12.docx",
    "minutes/minutes-2025-10-08.txt", "contracts/vertrag_v2.pdf", "contracts/[old] terms.pdf",
    "mail/recall.eml", "a/notes.md", "b/notes.md", "covid-19.md", "Force.md",
)  # fmt: skip
DOCUMENTS = [
    StoredDocument("/root", name, "text/plain", "", "ok", "", "", "", chunks=3) for name in NAMES
]
TURN = Turn(
    "How much did Tideway earn in 2022?", "", "It earned 3 million [1].", ("handbook/leave.md",)
)


class Model:
    """A chat model that says what it is told to say, and remembers what it was asked."""

    is_extractive = False

    def __init__(self, said: str | Exception) -> None:
        self.said = said
        self.asked: list[str] = []

    def ask_for_json(self, messages, schema, max_tokens):
        self.asked.append(messages[-1].content)
        if isinstance(self.said, Exception):
            raise self.said
        return {"question": self.said}


class Extractive:
    is_extractive = True


def asked(question, history=(), selection=None, model=None, documents=lambda: DOCUMENTS):
    return understand(question, history, documents, lambda: model or Extractive(), selection)


def refuse():
    raise AssertionError("that costs too much for a plain question")


def test_plain_question_asks_for_nothing():
    question = "How many days of leave do I get in a full-time job?"
    got = understand(question, (), refuse, refuse)
    assert (got.query, got.parts, got.selection, got.kind, got.notes) == (
        question, (), None, "lookup", (),
    )  # fmt: skip


def test_question_that_stands_alone_is_left_alone_after_others():
    question = "How many days of leave do apprentices get?"
    got = understand(question, [TURN], refuse, refuse)
    assert got.query == question


@pytest.mark.parametrize(
    ("follow_up", "query"),
    [
        ("and in 2023?", "How much did Tideway earn in 2023?"),
        ("what about Halvorsund?", "How much did Halvorsund earn in 2022?"),
        ("Why?", "Why? (Tideway earn 2022)"),
        ("Who founded it?", "Who founded it? (Tideway earn 2022)"),
        ("yes, B1 please", "yes, B1 please (Tideway earn 2022)"),
    ],
)
def test_follow_up_is_completed_by_rule_without_a_model(follow_up, query):
    got = asked(follow_up, [TURN])
    assert got.query == query
    assert got.notes[0] == f"searched for: {query}"


def searched_for(questions, answer="It is so [1]."):
    """Return what each question of a conversation is searched for, by rule."""
    history = []
    for question in questions:
        got = asked(question, history)
        history.append(Turn(question, got.query, answer))
    return [turn.query for turn in history]


CONVERSATION = [
    ("How many days of leave do I get?", None),
    ("and in the trial period?", "and in the trial period? (days leave get)"),
    ("Who trains the apprentices?", None),
    ("Who is Napoleon?", None),
    ("and his wife?", "and his wife? (Napoleon)"),
    ("保修期多长？", None),
    ("那电池呢？", "那电池呢？ (保修期)"),
    ("还有，谁是拿破仑？", None),
    ("Wie viele Urlaubstage habe ich?", None),
    ("Und Probezeit?", "Und Probezeit? (Urlaubstage)"),
    ("Und was kostet der Versand?", None),
    ("Wer ist Napoleon?", None),
    ("What does the crane lift?", None),
    ("Why?", "Why? (crane lift)"),
    ("它多少钱？", None),
]


def test_topic_that_changes_is_not_carried_on():
    questions = [question for question, _ in CONVERSATION]
    assert searched_for(questions) == [query or question for question, query in CONVERSATION]


@pytest.mark.parametrize(
    "question",
    ["and why is that so?", "Why?", "Who did it?", "那呢？", "Und er?", "and there?"],
)
def test_query_never_grows_beyond_a_few_words(question):
    first = {
        "那呢？": "二零二五年云屿服务站的售后与保修指南对电池和外壳的保修期限以及维修费用有什么规定？",
        "Und er?": "Wer hat im Herbst den Vertrag mit Halvorsund über Akkus, Lieferzeiten, Preise, "
        "Vertragsstrafen und Kündigung unterschrieben?",
    }.get(
        question,
        "Who signed the supply contract with Halvorsund about battery cells, delivery, prices, "
        "penalties, cancellation and storage in autumn 2023?",
    )
    queries = searched_for([first, *[question] * 6])
    for query in queries[1:]:
        added = query.removeprefix(question)
        assert added
        assert len(added.split()) <= 5
        assert len(added) <= 70


def test_words_come_from_the_question_before_only():
    before = [
        Turn("How much did Tideway earn?", "", "Much [1]."),
        Turn(
            "Who trains the apprentices?", "Who trains the apprentices? (Tideway earn)", "He [1]."
        ),
    ]
    assert asked("Why?", before).query == "Why? (trains apprentices)"


@pytest.mark.parametrize(
    ("before", "question"),
    [
        ("How many days of leave do I get?", "Und in der Probezeit?"),
        ("Wie viele Urlaubstage habe ich?", "and in the trial period?"),
        ("保修期多长？", "and the battery?"),
        ("How long is the warranty?", "那电池呢？"),
        ("How long is the warranty?", "А батарея?"),
    ],
)
def test_nothing_is_carried_into_another_language(before, question):
    model = Model("How long is the warranty of the battery?")
    assert asked(question, [Turn(before, before, "So [1].")], model=model).query == question
    assert model.asked == []


def test_model_that_adds_too_much_is_not_followed():
    said = "Who founded Tideway that earned millions in 2022 with buoys, chains, cells and cranes?"
    assert asked("Who founded it?", [TURN], model=Model(said)).query == (
        "Who founded it? (Tideway earn 2022)"
    )


def test_person_is_taken_from_the_answer_before():
    before = Turn("Who trains the apprentices?", "", "That is Ada Voss [1].")
    assert "Ada Voss" in asked("When did she start?", [before]).query


@pytest.mark.parametrize(
    "question",
    ["and in 2023?", "What about Bob?", "yes, B1 please", "When was it signed?", "why?",
     "Was kostet das dann?", "Und wer liefert ihn?", "Et en 2023 ?", "¿Y en 2023?", "那2023年呢？",
     "它多少钱？", "Which of them is cheaper?", "Und Probezeit?", "How many?", "What does that cost?",
     "Who signed?", "Which crane?"],
)  # fmt: skip
def test_question_that_needs_the_one_before_is_recognised(question):
    assert needs_what_was_said(question)


@pytest.mark.parametrize(
    "question",
    ["How do I open the battery box without breaking it?", "What is the deposit for a buoy?",
     "Is it allowed to smoke in the workshop?", "And what does the handbook say about fathers?",
     "Wie viele Urlaubstage habe ich im Jahr?", "保修期有多少个月？", "Who is Napoleon?",
     "Wer ist Napoleon?", "What is leave?", "Wie viele Urlaubstage habe ich?", "谁是拿破仑？",
     "Qui est Napoléon ?", "¿Quién es Napoleón?", "Кто такой Наполеон?", "那不勒斯在哪里？",
     "And who is Napoleon?", "Und wer ist Napoleon Bonaparte?"],
)  # fmt: skip
def test_question_that_stands_alone_is_recognised(question):
    assert not needs_what_was_said(question)


def test_model_rewrites_a_follow_up():
    model = Model("How much did Tideway earn in 2023?")
    got = asked("and in 2023?", [TURN], model=model)
    assert got.query == "How much did Tideway earn in 2023?"
    assert "Tideway" in model.asked[0]
    assert model.asked[0].endswith("Last question: and in 2023?")


@pytest.mark.parametrize(
    "said",
    ["", "How much did Tideway earn?", "What of 2023? " * 80, BadResponse("no JSON", "")],
    ids=["empty", "number lost", "too long", "fault"],
)
def test_rule_takes_over_where_the_model_fails(said):
    got = asked("and in 2023?", [TURN], model=Model(said))
    assert got.query == "How much did Tideway earn in 2023?"


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("What is the capital of France and who leads the Bundesbank today?",
         ("What is the capital of France?", "who leads the Bundesbank today?")),
        ("1. Who signed the loan? 2. When does the warranty end?",
         ("Who signed the loan?", "When does the warranty end?")),
        ("Compare the 2025 and the 2026 price list", ("2025 price list", "2026 price list")),
        ("What is the difference between the deposit of Plover and Tern?",
         ("deposit of Plover", "deposit of Tern")),
        ("比较Plover和Tern", ("Plover", "Tern")),
        ("Was kostet der Plover und wer liefert die Akkus aus?",
         ("Was kostet der Plover?", "wer liefert die Akkus aus?")),
    ],
)  # fmt: skip
def test_question_with_several_parts_is_taken_apart(question, parts):
    assert split_question(question) == parts


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("How many days of leave do I get, and who trains apprentices?",
         ("How many days of leave do I get?", "who trains apprentices?")),
        ("Who is Napoleon and how much leave do I get?",
         ("Who is Napoleon?", "how much leave do I get?")),
        ("1. Who trains apprentices? 2. What does the crane lift? 3. How long is the leave?",
         ("Who trains apprentices?", "What does the crane lift?", "How long is the leave?")),
        ("How many members came and how many signed?",
         ("How many members came?", "how many signed? (members came)")),
    ],
)  # fmt: skip
def test_part_with_a_subject_of_its_own_takes_no_words(question, parts):
    assert split_question(question) == parts


def test_part_takes_its_subject_from_the_first():
    first, second = split_question("What is the Plover and who builds it?")
    assert first == "What is the Plover?"
    assert "Plover" in second


@pytest.mark.parametrize(
    "question",
    ["Who sells bread and butter?", "What are the terms and conditions of the loan?",
     "When and where was it signed?", "Who founded Tideway and why?",
     "Which man who founded Tideway and who led Halvorsund is retired?", "What is B1?",
     "What is called the ?slip? effect", "在罗马时代，什么河最初横跨了一座桥？"],
)  # fmt: skip
def test_question_of_one_part_stays_whole(question):
    assert split_question(question) == ()


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What does handbook/leave.md say about fathers?", ["handbook/leave.md"]),
        ("According to leave.md, how many days?", ["handbook/leave.md"]),
        ("Laut vertrag_v2, wann endet er?", ["contracts/vertrag_v2.pdf"]),
        ("What is said in minutes-2025-03-12?", ["minutes/minutes-2025-03-12.docx"]),
        ("What was decided in the minutes of October 2025?", ["minutes/minutes-2025-10-08.txt"]),
        ("Was wurde in der Sitzung am 12.03.2025 entschieden?",
         ["minutes/minutes-2025-03-12.docx"]),
        ("Which terms are in [old] terms.pdf?", ["contracts/[old] terms.pdf"]),
        ("Compare leave.md and travel.md", ["handbook/leave.md", "handbook/travel.md"]),
        ("What is in the contracts folder?", ["contracts/[old] terms.pdf",
                                              "contracts/vertrag_v2.pdf"]),
        ("Which PDFs mention a penalty?", ["contracts/[old] terms.pdf",
                                           "contracts/vertrag_v2.pdf"]),
        ("a/notes.md 里说了什么？", ["a/notes.md"]),
    ],
)  # fmt: skip
def test_file_that_is_named_is_the_only_one_searched(question, names):
    got = asked(question)
    assert got.selection is not None
    assert sorted(one.id for one in DOCUMENTS if holds(got.selection, one)) == names
    assert got.notes[-1].startswith("only in ")


@pytest.mark.parametrize(
    "question",
    ["How much leave do I get?", "What does notes.md say?", "What are the symptoms of covid-19?",
     'What does "force" mean?', "What does README.md say?", "Who left in March 2025?",
     "What does the spreadsheet in the mail say?"],
)  # fmt: skip
def test_what_may_be_no_name_is_no_filter(question):
    assert asked(question).selection is None


def test_selection_given_is_never_widened():
    pdfs = Selection(suffixes=(".pdf",))
    assert asked("What does leave.md say?", selection=pdfs).selection == pdfs
    got = asked("What does vertrag_v2.pdf say?", selection=pdfs).selection
    assert got.suffixes == (".pdf",)
    assert [one.id for one in DOCUMENTS if holds(got, one)] == ["contracts/vertrag_v2.pdf"]


def test_same_document_is_the_one_cited_before():
    got = asked("What else is said in that file about fathers?", [TURN])
    assert [one.id for one in DOCUMENTS if holds(got.selection, one)] == ["handbook/leave.md"]


def test_signs_of_a_glob_in_a_name_mean_themselves():
    odd = StoredDocument("/r", "a*[1]?.md", "", "", "ok", "", "", "", chunks=1)
    other = StoredDocument("/r", "abc1x.md", "", "", "ok", "", "", "", chunks=1)
    assert holds(exactly([odd]), odd)
    assert not holds(exactly([odd]), other)


def test_selection_holds_what_sqlite_would():
    database = sqlite3.connect(":memory:")
    names = ["a/b.md", "a]b", "a[b", "a^b", "axb", "a-b", "A/B.md", "ab", "a\\b"]
    for glob in (
        "*",
        "a?b",
        "a[x-z]b",
        "a[^x]b",
        "a[]]b",
        "a[[]b",
        "*.md",
        "a[!x]b",
        "a[b",
        "a\\b",
    ):
        for name in names:
            document = StoredDocument("/r", name, "", "", "ok", "", "", "", chunks=1)
            (expected,) = database.execute("SELECT ? GLOB ?", (name, glob)).fetchone()
            assert holds(Selection(path_globs=(glob,)), document) == bool(expected), (name, glob)
    database.close()


@pytest.mark.parametrize(
    "question",
    ["Which documents mention a penalty for late delivery?", "How many contracts expire in 2025?",
     "List all suppliers across the documents.", "In which files is the crane mentioned?",
     "Summarise all meeting minutes.", "Does any document mention asbestos?",
     "What do all the reports say about battery life?", "Count the letters about a complaint.",
     "Welche Dokumente erwähnen den Kran?", "Fasse alle Sitzungsprotokolle zusammen.",
     "In wie vielen E-Mails geht es um den Rückruf?", "Wie viele Verträge laufen 2025 aus?",
     "Quels documents mentionnent une pénalité de retard ?", "Résume tous les comptes rendus.",
     "¿Cuántos contratos tienen una cláusula de rescisión?", "哪些文件提到了起重机？",
     "有多少份合同包含违约金条款？", "总结所有会议记录。", "В каких документах упоминается кран?",
     "すべての議事録を要約してください。", "Which documents do not mention leave?",
     "Which documents don't mention leave?", "Welche Dokumente erwähnen weder Urlaub noch Kran?",
     "How many files have the word crane?", "哪些文件没有提到起重机？",
     "Which documents mention apprentices but not cranes?"],
)  # fmt: skip
def test_question_about_all_documents_is_a_survey(question):
    assert is_survey(question)
    assert asked(question).kind == "survey"


@pytest.mark.parametrize(
    "question",
    ["How many days of leave do I get?", "How many points did the Panthers give up?",
     "List the three principles of lubrication.", "What does the contract say about delays?",
     "How many articles does the constitution have?", "Which file format does the portal export?",
     "Summarise the leave policy.", "Wie viele Urlaubstage habe ich?", "保修期有多少个月？",
     "Welche Fristen gelten?", "Which report was published first?"],
)  # fmt: skip
def test_question_for_a_fact_is_no_survey(question):
    assert not is_survey(question)


def test_survey_knows_what_is_wanted():
    wanted = read_wanted("How many contracts have a termination clause?")
    assert (wanted.aim, wanted.of, wanted.topic) == ("count", "documents", "termination clause")
    assert "contract" in wanted.kinds
    assert read_wanted("Summarise all documents.").topic == ""
    assert read_wanted("哪些文件提到了起重机？").topic == "起重机"
    assert read_wanted("List all deadlines in the contracts.").of == "things"


@pytest.mark.parametrize(
    ("question", "by_words"),
    [("Which documents mention leave?", True), ("In welchen Dateien kommt Urlaub vor?", True),
     ("哪些文件提到了起重机？", True), ("Which files do not contain a date?", True),
     ("How many contracts have a termination clause?", False),
     ("Which documents deal with leave?", False), ("Summarise all documents.", False),
     ("Welche Dokumente handeln vom Urlaub?", False)],
)  # fmt: skip
def test_words_have_to_stand_there_where_documents_mention_them(question, by_words):
    assert read_wanted(question).by_words == by_words


@pytest.mark.parametrize(
    ("question", "language"),
    [("Which documents mention it?", "en"), ("Welche Verträge laufen aus?", "de"),
     ("Quels contrats sont signés ?", "fr"), ("¿Qué actas hay?", "es"), ("哪些文件", "zh"),
     ("どの文書ですか", "ja"), ("xyz", "en")],
)  # fmt: skip
def test_language_of_a_question_is_known(question, language):
    assert language_of(question) == language


def test_file_that_does_not_exist_or_could_be_several_is_told():
    missing = asked("What is in nosuchfile.pdf about leave?")
    assert missing.selection is None
    assert missing.notes == ("no document is called nosuchfile.pdf",)
    several = asked("What does notes.md say of leave?")
    assert several.selection is None
    assert several.notes == ("several documents are called notes.md: a/notes.md, b/notes.md",)
    assert asked("Does it run on example.com or node.js?").notes == ()
