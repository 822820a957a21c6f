"""A model that judges as it is told to, and what it is asked about."""

from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Passage, Response

CASE = Case("a", "How long is leave?", answers=("27 days",))
ANSWER = Response(
    "Leave is 27 days [1]. It is paid twice [2].",
    context=(Passage("leave.md", "You get 27 days."), Passage("pay.md", "Pay is monthly.")),
)


def grade(word: str) -> dict[str, str]:
    return {"reason": f"because {word}", "grade": word}


class ScriptedModel:
    """A model whose every verdict is the next of its grades; an error is raised instead."""

    id = "scripted"

    def __init__(self, *grades):
        self.grades = list(grades)
        self.asked: list[str] = []

    def ask_for_json(self, messages, schema, max_tokens, on_request):
        on_request()
        self.asked.append(messages[-1].content)
        names = [name for name in schema["properties"] if name.startswith("statement")]
        said = [self._next() for _ in names or [""]]
        return dict(zip(names, said, strict=True)) if names else said[0]

    def _next(self):
        one = self.grades.pop(0) if len(self.grades) > 1 else self.grades[0]
        if isinstance(one, Exception):
            raise one
        return grade(one)
