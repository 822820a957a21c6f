"""An answer and its references in, how well they agree and what it cites out.

A case applies that can be answered and has references (for citations: evidence).  A refusal of it
counts as 0: it said nothing right.  A response without a text, of passages only, is None.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response, Said
from rag.evaluation.measures.matching import covers
from rag.evaluation.measures.measure import Measure, has_evidence
from rag.text.facts import Fact, find_facts

_SQUAD = "Rajpurkar et al. (2018), SQuAD evaluate-v2.0; punctuation and articles by language"
_ALCE = "Gao et al. (2023), ALCE, by the evidence of the case instead of a model"
_ARTICLES = frozenset(("a", "an", "the"))
# Scripts that set no spaces are compared sign by sign, as in MLQA (Lewis et al. 2020).
_SIGN = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff])"
)


def tokens_of(text: str, language: str = "") -> list[str]:
    """Return the words of a text in small letters, without punctuation and English articles.

    Articles stay where the language is another one.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    words = _SIGN.sub(r" \1 ", "".join(sign for sign in text if not _is_mark(sign))).split()
    is_english = not language or language.casefold().startswith("en")
    return [word for word in words if word not in _ARTICLES] if is_english else words


def exact_match(answer: str, reference: str, language: str = "") -> float:
    """Return 1 where both say the same word for word, else 0."""
    return float(tokens_of(answer, language) == tokens_of(reference, language))


def token_f1(answer: str, reference: str, language: str = "") -> float:
    """Return the F1 of the words of the answer against those of the reference."""
    one, other = tokens_of(answer, language), tokens_of(reference, language)
    if not one or not other:
        return float(one == other)
    common = (Counter(one) & Counter(other)).total()
    return 2 * common / (len(one) + len(other))


def containment(answer: str, reference: str, language: str = "") -> float:
    """Return 1 where the words of the reference stand in the answer, in one piece, else 0.

    Numbers and dates are compared by what they say: "1,000 euros" stands in "it cost €1000".
    """
    forms: tuple[Callable[[str, str], list[str]], ...] = (tokens_of, _values_of)
    return float(
        any(_stands_in(form(reference, language), form(answer, language)) for form in forms)
    )


def citation_precision(case: Case, response: Response) -> float | None:
    """Return the share of citations whose passage holds evidence, 0 where nothing is cited."""
    good = _good_citations(case, response)
    cited = [holds for said in good for holds in said]
    return sum(cited) / max(1, len(cited)) if good else None


def citation_recall(case: Case, response: Response) -> float | None:
    """Return the share of statements that cite a passage which holds evidence."""
    good = _good_citations(case, response)
    return sum(map(any, good)) / len(good) if good else None


def support_rate(_case: Case, response: Response) -> float | None:
    """Return the share of the statements that were checked which the system found supported."""
    checked = [said.supported for said in response.statements if said.supported is not None]
    return sum(checked) / len(checked) if checked else None


def has_references(case: Case) -> bool:
    """Return whether the case can be answered and says how."""
    return case.answerable and bool(case.answers)


def is_answerable(case: Case) -> bool:
    """Return whether the case must not be refused."""
    return case.answerable


def can_be_cited(case: Case) -> bool:
    """Return whether the case can be answered and says by what."""
    return case.answerable and has_evidence(case)


def _best(
    compare: Callable[[str, str, str], float], case: Case, response: Response
) -> float | None:
    """Return the best figure over the references."""
    if response.text is None or not has_references(case):
        return None
    if response.abstained:
        return 0.0
    return max(compare(response.text, reference, case.language) for reference in case.answers)


def _cited(
    figure: Callable[[Case, Response], float | None], case: Case, response: Response
) -> float | None:
    if response.text is None or response.context is None or not can_be_cited(case):
        return None
    return 0.0 if response.abstained else figure(case, response)


def _supported(case: Case, response: Response) -> float | None:
    if response.text is None or not case.answerable:
        return None
    return 0.0 if response.abstained else support_rate(case, response)


def _good_citations(case: Case, response: Response) -> list[list[bool]]:
    """Return for each statement whether each of its citations holds evidence."""
    context = response.context or ()
    pieces = [piece for piece in case.relevant if piece.grade > 0]
    good = [any(covers(passage, piece) for piece in pieces) for passage in context]

    def judge(said: Said) -> list[bool]:
        return [0 <= place < len(good) and good[place] for place in said.cited]

    return [judge(said) for said in response.statements]


def _is_mark(sign: str) -> bool:
    return sign in string.punctuation or unicodedata.category(sign).startswith("P")


def _values_of(text: str, language: str) -> list[str]:
    """Return the words of a text with numbers, dates and times in one form for all."""
    words, at = [], 0
    for fact in find_facts(text):
        if fact.kind in ("number", "date", "time"):
            words += [*tokens_of(text[at : fact.start], language), *_words_of(fact)]
            at = fact.end
    return words + tokens_of(text[at:], language)


def _words_of(fact: Fact) -> list[str]:
    """Return a number and its unit; a date from day to year, so that "30 April" stands in it."""
    if fact.kind == "date":
        has_no_year = fact.value.startswith("--")
        names = ("month-", "day-") if has_no_year else ("", "month-", "day-")
        parts = fact.value.removeprefix("--").split("-")
        return [name + part for name, part in zip(names, parts, strict=False)][::-1]
    return [fact.value, fact.unit] if fact.unit else [fact.value]


def _stands_in(piece: Sequence[str], words: Sequence[str]) -> bool:
    size = len(piece)
    starts = range(len(words) - size + 1)
    return bool(piece) and any(words[start : start + size] == piece for start in starts)


MEASURES = (
    Measure("exact-match", "the answer is a reference word for word", _SQUAD,
            "text", partial(_best, exact_match), has_references),
    Measure("token-F1", "words of the answer against those of the reference", _SQUAD,
            "text", partial(_best, token_f1), has_references),
    Measure("containment", "a reference stands in the answer, numbers and dates by value",
            "has_answer of DPR (Karpukhin et al. 2020)",
            "text", partial(_best, containment), has_references),
    Measure("citation-P", "share of citations whose passage holds evidence", _ALCE,
            "text", partial(_cited, citation_precision), can_be_cited),
    Measure("citation-R", "share of statements that cite a passage which holds evidence", _ALCE,
            "text", partial(_cited, citation_recall), can_be_cited),
    Measure("support-rate", "share of checked statements that the system itself found supported",
            "the system's own check", "text", _supported, is_answerable),
)  # fmt: skip
