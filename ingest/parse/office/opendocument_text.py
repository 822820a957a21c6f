"""A paragraph of an OpenDocument file in, its text and what stands beside it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ingest.parse.base.clean import clean

_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE = f"{{{_OASIS}office:1.0}}"
TEXT = f"{{{_OASIS}text:1.0}}"
TABLE = f"{{{_OASIS}table:1.0}}"
DRAW = f"{{{_OASIS}drawing:1.0}}"
SVG = f"{{{_OASIS}svg-compatible:1.0}}"
PRESENTATION = f"{{{_OASIS}presentation:1.0}}"

_CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
_LEFT_OUT = frozenset((f"{TEXT}tracked-changes", f"{TEXT}ruby-text", f"{TEXT}bookmark-start"))
_BREAKS = {f"{TEXT}tab": "\t", f"{TEXT}line-break": "\n"}
_MAX_BLANKS = 200


@dataclass(slots=True)
class Inline:
    """Reads paragraphs; `aside` collects notes, comments and frames, for after a paragraph."""

    aside: list[Any] = field(default_factory=list)
    numbered: int = 0

    def read(self, element: Any) -> str:
        """Return the text of an element; frames, notes and comments in it go aside."""
        parts: list[str] = []
        stack: list[Any] = [element]
        while stack:
            here = stack.pop()
            if isinstance(here, str):
                parts.append(here)
                continue
            parts.append(self._replace(here))
            if here is element or not self._is_apart(here):
                for child in list(here)[::-1]:
                    stack.append(child.tail or "")
                    stack.append(child)
                stack.append(here.text or "")
                if here.tag in (f"{TEXT}p", f"{TEXT}h") and here is not element:
                    parts.append("\n")
        return clean("".join(parts))

    def _replace(self, element: Any) -> str:
        if element.tag == f"{TEXT}s":
            count = element.get(f"{TEXT}c", "1")
            return " " * (min(_MAX_BLANKS, int(count)) if count.isdecimal() else 1)
        if element.tag == f"{TEXT}note":
            return self._keep_note(element)
        return _BREAKS.get(element.tag, "")

    def _is_apart(self, element: Any) -> bool:
        if element.tag == f"{OFFICE}annotation":
            self._keep_comment(element)
            return True
        if element.tag == f"{DRAW}text-box":
            self.aside.append(element)
            return True
        return element.tag in _LEFT_OUT or element.tag == f"{TEXT}note"

    def _keep_note(self, note: Any) -> str:
        for body in note.iterchildren(f"{TEXT}note-body"):
            text = " ".join(Inline().read(body).split())
            self.numbered += 1
            self.aside.append(f"[{self.numbered}] {text}")
        return f"[{self.numbered}]"

    def _keep_comment(self, comment: Any) -> None:
        author = next((name.text for name in comment.iterchildren(_CREATOR)), None) or "unknown"
        paragraphs = (Inline().read(part) for part in comment.iter(f"{TEXT}p"))
        text = " ".join(" ".join(paragraphs).split())
        if text:
            self.aside.append(f"Comment by {clean(author).strip()}: {text}")


def has_text(element: Any) -> bool:
    """Say whether anything in the element has text."""
    return any(text.strip() for text in element.itertext())
