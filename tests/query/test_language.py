"""The language a question is to be answered in."""

import pytest

from rag.query.context.language import name_language

QUESTIONS = {
    "English": (
        "Was the plant closed?", "Was revenue higher than last year?", "Was there a fire?",
        "Was anyone hurt?", "Comment on the travel policy", "List all employees", "Any updates?",
        "Is smoking allowed?", "What is die cutting?", "Who is Der Spiegel?", "Was it hot?",
        "What role does β-catenin play in this?", "What does 试用期 mean in the contract?",
        "Are there war reserves?", "How long is the notice period?",
    ),
    "German": (
        "Darf mein Hund mit ins Büro?", "Gibt es Parkplätze?", "Wieviel Urlaub habe ich?",
        "Was kostet das?", "Wann schließt das Büro?", "Ist Rauchen erlaubt?",
        "Wie hieß die Burg?", "Nenne alle Mitarbeiter",
    ),
    "French": ("Y a-t-il une garantie ?", "Combien coûte le produit ?", "Où se trouve le siège ?",
               "Puis-je amener mon chien ?"),
    "Spanish": ("¿Cuántos días de vacaciones tengo?", "¿Hay garantía?", "Donde esta la oficina"),
    "Italian": ("Quanti giorni di ferie ho?", "C'è una garanzia?", "Posso portare il cane?"),
    "Dutch": ("Kan ik mijn hond meenemen?", "Hoeveel kost het?", "Waar is het kantoor?"),
    "Swedish": ("Hur mycket kostar det?", "Finns det garanti?"),
    "Polish": ("Czy mogę zabrać psa?", "Gdzie jest biuro?"),
    "Portuguese": ("Posso levar o meu cão?", "Quantos dias de férias tenho?"),
    "Russian": ("Есть ли собака?", "Сколько это стоит?", "Кто директор?"),
    "Ukrainian": ("Чи є гарантія?",),
    "Chinese": ("试用期多久?", "Plover 22 带电池有多重?", "屏幕上出现 E47,我该怎么办?"),
    "Japanese": ("試用期間は？",),
    "Korean": ("주차장 있나요?",),
    "Greek": ("Υπάρχει εγγύηση;",),
    "Arabic": ("كم يوم إجازة؟",),
}  # fmt: skip


@pytest.mark.parametrize(
    ("question", "language"), [(q, name) for name, asked in QUESTIONS.items() for q in asked]
)
def test_language_is_named(question, language):
    assert name_language(question) == language


@pytest.mark.parametrize(
    "question",
    ["Was Maria approved?", "Parking?", "Revenue 2023?", "Die casting?", "Price per unit?",
     "", "42", "E47", "Где?! Where?"],
)  # fmt: skip
def test_language_is_left_open_where_it_is_not_sure(question):
    assert name_language(question) in ("", "English")
