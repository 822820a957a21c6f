"""A model's text in, whether it says that the documents hold no answer out."""

from __future__ import annotations

import re

from ingest.sentences import sentence_spans
from rag.models.base.passages import NOT_IN_DOCUMENTS

_SORRY = (
    r"(?:i(?:'m| am) (?:very )?sorry|sorry|unfortunately|leider|es tut mir leid|désolée?|"
    r"je suis désolée?|lo siento|很?抱歉|对不起)"
)
_THEM = r"(?:passages?|excerpts?|context|documents?|sources?|texts?|information)"
_GIVEN = r"(?:provided|given|retrieved|available|above|supplied|cited)"
_PASSAGES = (
    rf"(?:(?:the|these|those|your|any of the|none of the)\s+)?(?:{_GIVEN}\s+)?{_THEM}"
    rf"(?:\s+{_GIVEN})?"
)
_ABOUT = (
    r"(?:(?:any|enough|sufficient|specific|relevant|further|the|this|that|such|an?)\s+)*"
    r"(?:information|answers?|details?|data|mention|it|this|that|anything)\b"
)
_HOLD = (
    r"(?:explicitly\s+|directly\s+)?(?:contain|mention|say|provide|specify|state|give|include|"
    r"have|hold|answer|address|tell)s?"
)
_DO_NOT = r"(?:do|does|did)\s*(?:not|n't)"
_CANNOT = (
    r"(?:cannot|can't|can\s+not|could\s+not|couldn't|am\s+(?:unable|not\s+able)\s+to|"
    r"was\s+unable\s+to|do\s+not|don't)"
)
_GERMAN = (
    r"(?:in\s+)?(?:die|den)\s+(?:\w+en\s+)?(?:passagen|textstellen|dokumenten?|unterlagen|quellen|"
    r"auszügen?)\s+(?:enthalten|nennen|erwähnen|geben|liefern|sagen|steht|stehen|finden|gibt|ist)"
    r"\s+(?:sich\s+|es\s+|dazu\s+|hierzu\s+)?(?:keine?r?\s+(?:\w+\s+)?(?:information|angabe|antwort|"
    r"hinweis|auskunft)\w*|nichts|nicht)\b.*"
)
_SAID = re.compile(
    rf"(?:{_PASSAGES}\s+{_DO_NOT}\s+{_HOLD}\s+{_ABOUT}.*"
    rf"|(?:the\s+)?(?:{_GIVEN}\s+)?(?:passages|excerpts)\s+{_DO_NOT}\s+{_HOLD}\b.*"
    r"|(?:there\s+is\s+)?no(?:t enough)?\s+(?:relevant\s+|such\s+)?(?:information|answer|mention|"
    rf"details?)\b.*\b{_THEM}(?:\s+{_GIVEN})?"
    rf"|i\s+{_CANNOT}\s+(?:answer|find|determine|tell|know|have)\b.*\b{_THEM}\b.*"
    r"|(?:this|that|it|the\s+answer|(?:this|the)\s+information)\s+is\s*(?:not|n't)\s+(?:\w+\s+)?"
    rf"(?:in|by)\s+(?:the|your)\s+(?:{_GIVEN}\s+)?{_THEM}"
    r"|not\s+in\s+(?:your\s+|the\s+)?(?:documents|passages)"
    rf"|{_GERMAN}"
    r"|(?:diese|die)\s+(?:informationen?|antwort|angabe)\s+(?:ist|sind|steht|stehen)\s+nicht\s+in"
    r"\s+(?:den|ihren)\s+\w+"
    r"|(?:les|ces)\s+(?:passages|documents|extraits|sources)(?:\s+fournis)?\s+ne\s+"
    r"(?:contiennent|mentionnent|précisent|donnent|disent)\s+(?:pas|rien|aucune?)\b.*"
    r"|(?:los|estos)\s+(?:pasajes|documentos|fragmentos|textos)\s+no\s+(?:contienen|mencionan|"
    r"incluyen|dan)\b.*"
    r"|(?:所?提供的|这些)?(?:文档|文件|资料|段落|文本)[里中内]?(?:没有|未|并未|并没有|不包含|无)"
    r"(?:相关|有关|提到|提及|提供|说明|包含|该|这|任何|此).{0,30})",
    re.IGNORECASE,
)
# Where more is said than that, a sentence is no refusal.
_MORE = re.compile(
    r"\[\d|[;:：；]|\b(?:but|however|although|though|while|only|except|aber|jedoch|nur|sondern|"
    r"mais|pero)\b|但|不过|只"
)
_POLITE = re.compile(
    rf"(?:{_SORRY}|please\b.*|let me know\b.*|if you (?:have|provide|can)\b.*)", re.IGNORECASE
)
_BEFORE = re.compile(rf"{_SORRY}[,，]?\s*(?:but\s+|aber\s+|mais\s+|pero\s+)?", re.IGNORECASE)
_OPENING = (
    "i'm sorry|i am sorry|sorry|unfortunately|leider|es tut mir leid|désolé|je suis désolé|"
    "lo siento|抱歉|很抱歉|对不起|the passages|the provided|the given|the retrieved|the documents|"
    "the context|the excerpts|the sources|the information|the available|the text|passages|"
    "these passages|there is no|no information|not enough information|i can|i could|i am unable|"
    "i was unable|i do not|i don|this information|that information|this is not|"
    "the answer is not|not in|die passagen|die dokumente|die unterlagen|die quellen|in den|"
    "diese information|les passages|les documents|les extraits|ces passages|los pasajes|"
    "los documentos|文档|文件|资料|段落|提供的|所提供的|这些"
)
_LONGEST = 400
_WORD = re.compile(rf"(?<![ \t])[ \t]*[*_`\"'(\[]{{0,5}}\b{NOT_IN_DOCUMENTS}\b[*_`\"')\]]*[.!]?")


def is_refusal(text: str) -> bool:
    """Tell a refusal from an answer.

    That is the agreed word first, or anywhere if nothing is cited, or nothing but sentences that
    say that the passages do not hold the answer.
    """
    upper = text.upper()
    begins = _without_decoration(upper).startswith(NOT_IN_DOCUMENTS)
    if begins or (NOT_IN_DOCUMENTS in upper and not re.search(r"\[\d+\]", text)):
        return True
    plain = _without_decoration(text).strip("\"'*`] \n")
    if not plain or len(plain) > _LONGEST:
        return False
    sentences = [_bare(plain[start:end]) for start, end in sentence_spans(plain)]
    return any(map(_refuses, sentences)) and all(
        _refuses(sentence) or _POLITE.fullmatch(sentence) for sentence in sentences
    )


def may_refuse(text: str) -> bool:
    """Return whether a text still being written may become a refusal."""
    begun = _without_decoration(text)
    if NOT_IN_DOCUMENTS.startswith(begun[: len(NOT_IN_DOCUMENTS)].upper()):
        return True
    if len(begun) > _LONGEST or re.search(r"\[\d", begun):
        return False
    lower = begun.casefold().replace("’", "'")
    if not any(lower.startswith(said) or said.startswith(lower) for said in _OPENING.split("|")):
        return False
    whole = [_bare(begun[start:end]) for start, end in sentence_spans(begun)][:-1]
    return all(_refuses(sentence) or _POLITE.fullmatch(sentence) for sentence in whole)


def drop_word(text: str, *, is_whole: bool = True) -> str:
    """Return an answer without the agreed word of a refusal.

    One still being written loses the beginning of that word at its end as well; a quotation
    keeps what it quotes.
    """
    if text.lstrip().startswith('"'):
        return text
    text = _WORD.sub("", text)
    for length in range(0 if is_whole else len(NOT_IN_DOCUMENTS) - 1, 0, -1):
        begun = text[:-length].rstrip("*_`\"'([")
        if text.endswith(NOT_IN_DOCUMENTS[:length]) and not text[-length - 1 : -length].isalnum():
            return begun.rstrip()
    return text


def _refuses(sentence: str) -> bool:
    bare = _BEFORE.sub("", sentence, count=1)
    return bool(_SAID.fullmatch(bare)) and not _MORE.search(bare)


def _bare(sentence: str) -> str:
    return sentence.strip(" \t\n.!。！\"'*`")


def _without_decoration(text: str) -> str:
    return text.lstrip("\"'*`[ \n")
