"""The form of passages in a prompt: written for every model, read by the embedded one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

NOT_IN_DOCUMENTS = "NOT_IN_DOCUMENTS"
"""What a model is told to reply, alone, when the passages do not hold the answer."""

EXTRACTIVE_MODEL = "extractive"
"""The name under which the embedded server offers its answers, wherever it runs."""

_BLOCK = re.compile(
    r'<passage-(?P<fence>[0-9a-f]+) n="(?P<number>\d+)" source="(?P<source>[^"\n]*)">\n'
    r"(?P<text>.*?)\n</passage-(?P=fence)>",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered piece of a document as the model sees it; `source` is its label."""

    number: int
    source: str
    text: str


def render_passages(passages: Sequence[Passage], fence: str) -> str:
    """Return the passages as blocks between delimiters no document can know.

    `fence` is a random hexadecimal word, new for each request; an occurrence of it in a
    document is removed, so that text inside a passage can never close its block.
    """
    return "\n\n".join(
        f'<passage-{fence} n="{p.number}" source="{_attribute(p.source)}">\n'
        f"{p.text.replace(fence, '')}\n</passage-{fence}>"
        for p in passages
    )


def read_passages(prompt: str) -> tuple[list[Passage], str]:
    """Return the passages of a prompt made by `render_passages`, and the text after them."""
    found = list(_BLOCK.finditer(prompt))
    passages = [Passage(int(m["number"]), m["source"], m["text"]) for m in found]
    return passages, prompt[found[-1].end() if found else 0 :].strip()


def _attribute(text: str) -> str:
    return " ".join(text.replace('"', "'").split())
