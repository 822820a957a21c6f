"""The form of passages in a prompt: written for every model, read by the embedded one."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

NOT_IN_DOCUMENTS = "NOT_IN_DOCUMENTS"
"""What a model is told to reply, alone, when the passages do not hold the answer."""

EXTRACTIVE_MODEL = "extractive"
"""The name under which the embedded server offers its answers, wherever it runs."""

_FENCE_LETTERS = 12
_QUESTION = "\nQuestion:"
_BLOCK = re.compile(
    r'<passage-(?P<fence>[0-9a-f]+) n="(?P<number>\d+)" source="(?P<source>[^"\n]*)">\n'
    r"(?P<text>.*?)\n</passage-(?P=fence)>",
    re.DOTALL,
)
_MARK = re.compile(r"<(?=\s*/?\s*passage\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered piece of a document as the model sees it; `source` is its label."""

    number: int
    source: str
    text: str


def render_passages(passages: Sequence[Passage], key: str) -> str:
    """Return the passages as blocks between delimiters no document can know.

    Each has a delimiter of its own, an HMAC of label and text: who does not have the secret
    `key` cannot foretell it, and the same passage looks the same in the next prompt, so that a
    server can reuse what it has read.  What looks like a delimiter inside a text is broken.
    """
    return "\n\n".join(_render(passage, key) for passage in passages)


def read_passages(prompt: str) -> tuple[list[Passage], str]:
    """Return the passages of a prompt made by `render_passages`, and the question after them.

    The question is the last line that begins so, with the word; where there is none it is all
    of the text that follows.
    """
    found = list(_BLOCK.finditer(prompt))
    passages = [Passage(int(m["number"]), m["source"], m["text"]) for m in found]
    rest = prompt[found[-1].end() if found else 0 :]
    return passages, rest[max(0, rest.rfind(_QUESTION)) :].strip()


def _render(passage: Passage, key: str) -> str:
    text, source = _MARK.sub("< ", passage.text), _attribute(passage.source)
    said = f"{source}\n{text}".encode("utf-8", "surrogatepass")
    fence = hmac.new(key.encode(), said, "sha256").hexdigest()[:_FENCE_LETTERS]
    return (
        f'<passage-{fence} n="{passage.number}" source="{source}">\n'
        f"{text.replace(fence, '')}\n</passage-{fence}>"
    )


def _attribute(text: str) -> str:
    return " ".join(text.replace('"', "'").replace("<", "(").replace(">", ")").split())
