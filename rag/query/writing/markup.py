"""What a model wrote in, the same as text that nothing is fetched for out.

A page or a program that renders an answer as Markdown or HTML would load its images, and so tell
whoever wrote a document what was answered.  What a model wrote loses that markup.  A quotation
of the embedded model keeps every sign of its document: only a blank is put in, so that nothing
takes it for markup, and its citation has it as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from ingest.parse.base.clean import clean

_LOADING = (
    "img|image|picture|source|iframe|frame|script|link|object|embed|applet|style|svg|math|"
    "video|audio|track|base|meta"
)
# A tag that loads something by its name, or may by an attribute (style, background, onload).
_TAG = rf"<\s*/?(?:(?:{_LOADING})(?![\w-])|[a-z][\w:-]*[\s/][^<>=]{{0,200}}=)[^<>]{{0,2000}}>?"
_LABEL = r"(?:[^\[\]\n]|\n(?!\s*\n)|\[[^\[\]]{0,100}\]){0,300}"
_TARGET = r"\((?:[^()]|\([^()]*\)){0,2000}\)"
_MARKUP = re.compile(
    rf"(?P<tag>{_TAG})"
    r"|!(?=(?P<marks>(?:\[\d{1,3}\])+)(?![\[(]))"
    rf"|!\[(?P<image>{_LABEL})\](?:{_TARGET}|\[[^\[\]]{{0,300}}\])?"
    rf"|(?P<definition>^[ \t>*+-]*\[(?P<name>[^\[\]\n]{{1,300}})\]:)"
    rf"|\[(?P<text>{_LABEL})\](?P<target>{_TARGET})",
    re.IGNORECASE | re.MULTILINE,
)
_BREAKABLE = re.compile(
    rf"!(?=\[)|<(?=/?(?:{_LOADING})(?![\w-])|[a-z][\w:-]*[\s/][^<>=]{{0,200}}=)", re.IGNORECASE
)
_ADDRESS = re.compile(r"\(\s*<?(https?://[^\s<>]+?|mailto:[^\s<>]+?)>?(?:\s[^()]*)?\)")
_NUMBER = re.compile(r"\^?\d{1,3}")
# The end of a text that what follows may make markup of.
_BEGUN = re.compile(
    rf"(?:!|<(?:[/\sa-z][^<>]{{0,2000}})?|(?!\[\d{{1,3}}\]\Z)!?\[{_LABEL}(?:\[[^\[\]]{{0,100}})?\]?"
    rf"|!?\[{_LABEL}\](?:\[[^\[\]]{{0,300}}|\((?:[^()]|\([^()]*\)){{0,2000}}(?:\([^()]*)?)"
    r"|\x1b[^\n]{0,100})\Z",
    re.IGNORECASE,
)


def make_plain(text: str, is_known: Callable[[str], bool] = lambda _address: False) -> str:
    """Return an answer without what is invisible and without markup that loads something.

    An image becomes its description, a link its text with the address behind it; a link whose
    address `is_known`, as it stands in the documents, stays.
    """
    return break_markup(_MARKUP.sub(partial(_tell, is_known), clean(text)))


def break_markup(text: str) -> str:
    """Return a text with a blank inside what would load something: `! [`, `< img`."""
    return _BREAKABLE.sub(r"\g<0> ", clean(text))


def decided_part(text: str) -> str:
    """Return the beginning of a text still being written that nothing to come can change."""
    found = _BEGUN.search(text)
    return text[: found.start()] if found else text


def _tell(is_known: Callable[[str], bool], found: re.Match[str]) -> str:
    if found["tag"] is not None:
        # What stood apart is not joined: it could become another tag.
        return "" if found.start() == 0 or found.string[found.start() - 1].isspace() else " "
    if found["marks"] is not None:
        return "! "
    if found["image"] is not None:
        return make_plain(found["image"])
    if found["definition"] is not None:
        return f"[{found['name']}] " if _NUMBER.fullmatch(found["name"]) else f"{found['name']}: "
    return _tell_link(found["text"], found["target"], is_known)


def _tell_link(text: str, target: str, is_known: Callable[[str], bool]) -> str:
    address = _ADDRESS.fullmatch(target)
    said = f"[{text}]" if _NUMBER.fullmatch(text) else make_plain(text, is_known)
    if address and said == text and is_known(address[1]):
        return f"[{text}]{target}"
    shown = (address[1] if address else target[1:-1]).strip()
    return said if said == shown else f"{said} ({make_plain(shown)})"
