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

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.measures.matching import SPACELESS, is_held, share_held
from rag.evaluation.measures.measure import Measure, has_evidence
from rag.text.facts import Fact, find_facts

_SQUAD = "Rajpurkar et al. (2018), SQuAD evaluate-v2.0; punctuation and articles by language"
_ALCE = "Gao et al. (2023), ALCE, by the evidence of the case instead of a model"
_ARTICLES = frozenset(("a", "an", "the"))
# Scripts that set no spaces are compared sign by sign, as in MLQA (Lewis et al. 2020).
_SIGN = re.compile(f"([{SPACELESS}])")
_ROUNDING = 1e-9
_VALUED = ("number", "date", "time", "code")
# In others "1.200" is more than a thousand.
_POINT_LANGUAGES = ("", "en", "zh", "ja", "ko", "th", "hi", "he")


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

    Numbers and dates are compared by what they say, as soon as the reference has one: "1,000
    euros" stands in "it cost €1000", "5 degrees" does not in "-5 degrees".
    """
    has_values = any(fact.kind in _VALUED for fact in find_facts(reference))
    form = _values_of if has_values else tokens_of
    return float(_stands_in(form(reference, language), form(answer, language)))


def citation_precision(case: Case, response: Response) -> float | None:
    """Return the share of citations that help to hold evidence, 0 where nothing is cited.

    As in ALCE one does not where its passage holds none alone and the others of the statement
    hold as much without, nor where all that the statement cites holds none.
    """
    good = [one for said in response.statements for one in _are_good(case, response, said.cited)]
    return sum(good) / max(1, len(good)) if response.statements else None


def citation_recall(case: Case, response: Response) -> float | None:
    """Return the share of statements whose cited passages together hold evidence."""
    evidence = _evidence_of(case)
    held = [is_held(_passages_at(response, said.cited), evidence) for said in response.statements]
    return sum(held) / len(held) if held else None


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


def _are_good(case: Case, response: Response, places: Sequence[int]) -> list[bool]:
    """Return whether each citation of a statement helps to hold evidence."""
    cited = _passages_at(response, places)
    held = [piece for piece in _evidence_of(case) if is_held(cited, [piece])]

    def is_good(place: int) -> bool:
        rest = _passages_at(response, [one for one in places if one != place])
        return is_held(_passages_at(response, [place]), held) or any(
            share_held(cited, piece) - share_held(rest, piece) > _ROUNDING for piece in held
        )

    return [is_good(place) for place in places]


def _passages_at(response: Response, places: Sequence[int]) -> list[Passage]:
    context = response.context or ()
    return [context[place] for place in places if 0 <= place < len(context)]


def _evidence_of(case: Case) -> list[Relevant]:
    return [piece for piece in case.relevant if piece.grade > 0]


def _is_mark(sign: str) -> bool:
    return sign in string.punctuation or unicodedata.category(sign).startswith("P")


def _values_of(text: str, language: str) -> list[str]:
    """Return the words of a text with numbers, dates and times in one form for all."""
    words, at = [], 0
    for fact in find_facts(text):
        if fact.kind in _VALUED:
            before = text[at : fact.start].rstrip("\u2212")  # a minus is in the value
            words += [*tokens_of(before, language), *_words_of(fact, language)]
            at = fact.end
    return words + tokens_of(text[at:], language)


def _words_of(fact: Fact, language: str) -> list[str]:
    """Return a number and its unit; a date from day to year, so that "30 April" stands in it."""
    if fact.kind == "date":
        has_no_year = fact.value.startswith("--")
        names = ("month-", "day-") if has_no_year else ("", "month-", "day-")
        parts = fact.value.removeprefix("--").split("-")
        return [name + part for name, part in zip(names, parts, strict=False)][::-1]
    has_comma = language.casefold().partition("-")[0] not in _POINT_LANGUAGES
    value = _other_reading(fact) if has_comma and fact.kind == "number" else fact.value
    return [value, fact.unit] if fact.unit else [value]


def _other_reading(number: Fact) -> str:
    """Return a number as a language reads it that has decimal commas, its sign kept."""
    is_signed = number.value.startswith("-")
    others = (one for one in number.others if one.startswith("-") == is_signed)
    return next(others, number.value)


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
    Measure("citation-P", "share of citations that help to hold evidence", _ALCE,
            "text", partial(_cited, citation_precision), can_be_cited),
    Measure("citation-R", "share of statements whose cited passages hold evidence", _ALCE,
            "text", partial(_cited, citation_recall), can_be_cited),
    Measure("support-rate", "share of checked statements that the system itself found supported",
            "the system's own check", "text", _supported, is_answerable),
)  # fmt: skip
