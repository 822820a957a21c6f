"""What was ranked and shown in, how much of the evidence is in it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from ingest.tokens import count_tokens
from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.measures.matching import (
    HALF,
    is_excerpt,
    judge_passages,
    length_of,
    share_held,
    squeeze,
)
from rag.evaluation.measures.measure import Family, Measure, Need, has_evidence
from rag.evaluation.measures.ranking import FORMULAS

_CHROMA = "Smith and Troynikov (2024), Evaluating Chunking Strategies, by characters"

_RANKED = {
    "nDCG": ("gain of what is found, the sooner the better, by that of the best order",
             "Jarvelin and Kekalainen (2002); trec_eval ndcg_cut", 10, True),
    "R": ("share of the evidence that is found", "van Rijsbergen (1979); trec_eval recall",
          5, False),
    "P": ("share of what is ranked that holds evidence no one above it holds",
          "van Rijsbergen (1979); trec_eval P", 5, False),
    "RR": ("1 by the rank of the first evidence",
           "Kantor and Voorhees (2000); trec_eval recip_rank", 10, True),
    "AP": ("mean precision where evidence is found", "Harman (1992); trec_eval map", None, True),
    "Success": ("whether any evidence is found", "trec_eval success", 5, False),
}  # fmt: skip


def measure_ranked(base: str, k: int | None) -> Measure:
    """Return a measure of ranked retrieval; see `matching` for what a passage finds."""
    meaning, source, _usual, _whole = _RANKED[base]
    formula = FORMULAS[base]

    def of(case: Case, response: Response) -> float | None:
        if response.ranked is None or not has_evidence(case):
            return None
        return formula(judge_passages(response.ranked, case.relevant), k)

    within = f" in the first {k}" if k else ""
    return Measure(_name(base, k), f"{meaning}{within}", source, "ranked", of, has_evidence)


def measure_evidence(budget: int | None) -> Measure:
    """Return the share of pieces of evidence of which the passages hold half.

    Without a budget the passages are those the model was shown.  With one they are the first
    ranked that fit the tokens, or the first shown where no ranking is told; none is cut.
    Tokens are those of cl100k, as a prompt is packed by, of the text alone, whatever else a
    system counts; what it tells counts where it tells no text.
    """

    def of(case: Case, response: Response) -> float | None:
        passages = response.context if budget is None else _fill(response, budget)
        if passages is None or not has_evidence(case):
            return None
        pieces = [piece for piece in case.relevant if piece.grade > 0]
        held = [share_held(passages, piece) >= HALF for piece in pieces]
        return sum(held) / len(held)

    where = "what the model was shown" if budget is None else f"the first {budget} tokens"
    meaning = f"share of the evidence that is in {where}"
    source = "share of pieces of which half the characters are in the passages"
    needs: Need = "context" if budget is None else "ranked"
    name = _name("evidence-R", budget, "tokens")
    return Measure(name, meaning, source, needs, of, has_evidence)


def measure_characters(base: str, k: int | None) -> Measure:
    """Return recall, precision or IoU of the characters of passages against those of excerpts.

    The passages are the first k ranked, without k those the model was shown; each place of a
    document counts once.  (The authors' code counts what stands in two passages twice where it
    divides by them, in precision and IoU.)
    Applies where all evidence is excerpts.
    """
    formula, meaning = _CHARACTERS[base]

    def of(case: Case, response: Response) -> float | None:
        passages = response.context if k is None else response.ranked
        if passages is None or not has_excerpts(case):
            return None
        return formula(*_count_characters(passages[:k], case.relevant))

    where = "what the model was shown" if k is None else f"the first {k} passages"
    needs: Need = "context" if k is None else "ranked"
    name = _name(base, k)
    return Measure(name, f"{meaning} {where}", _CHROMA, needs, of, has_excerpts)


def has_excerpts(case: Case) -> bool:
    """Return whether the evidence is excerpts only."""
    pieces = [piece for piece in case.relevant if piece.grade > 0]
    return bool(pieces) and all(map(is_excerpt, pieces))


def _recall(both: float, excerpts: float, _passages: float) -> float:
    return _divide(both, excerpts)


def _precision(both: float, _excerpts: float, passages: float) -> float:
    return _divide(both, passages)


def _union(both: float, excerpts: float, passages: float) -> float:
    return _divide(both, excerpts + passages - both)


_CHARACTERS: dict[str, tuple[Callable[[float, float, float], float], str]] = {
    "token-R": (_recall, "share of the characters of the excerpts that are in"),
    "token-P": (_precision, "share of the characters that belong to excerpts, of"),
    "token-IoU": (_union, "characters of the excerpts and of the passages in common, in"),
}


def _families() -> Iterator[Family]:
    for base, (_meaning, _source, usual, whole) in _RANKED.items():
        yield Family(base, lambda k, base=base: measure_ranked(base, k), usual, whole)  # type: ignore[misc]
    yield Family("evidence-R", measure_evidence, 2000, whole=True, unit="tokens")
    for base in _CHARACTERS:
        yield Family(base, lambda k, base=base: measure_characters(base, k), 5, whole=True)  # type: ignore[misc]


FAMILIES = tuple(_families())


def _name(base: str, number: int | None, unit: str = "") -> str:
    return base if number is None else f"{base}@{number}{unit}"


def _fill(response: Response, budget: int) -> list[Passage] | None:
    """Return the first passages that fit a budget of tokens; the first that does not ends them."""
    passages = response.context if response.ranked is None else response.ranked
    if passages is None:
        return None
    chosen = []
    for passage in passages:
        budget -= _count(passage.text) if passage.text else passage.tokens or 0
        if budget < 0:
            break
        chosen.append(passage)
    return chosen


@lru_cache(maxsize=4096)
def _count(text: str) -> int:
    """Return the tokens of a text, which budgets and cases have in common."""
    return count_tokens(text)


def _count_characters(
    passages: Sequence[Passage], relevant: Sequence[Relevant]
) -> tuple[float, float, float]:
    """Return the characters that both have in common, those of the excerpts and of the passages."""
    pieces = tuple(dict.fromkeys(piece for piece in relevant if piece.grade > 0))
    both = sum(share_held(passages, piece) * _size(piece) for piece in pieces)
    shown = _count_shown(passages)
    return min(both, shown), sum(map(_size, pieces)), shown


def _count_shown(passages: Sequence[Passage]) -> float:
    spans: dict[str, list[tuple[float, float]]] = {}
    texts = set()
    for passage in passages:
        if passage.start is None or passage.end is None:
            texts.add(squeeze(passage.text))
        else:
            spans.setdefault(passage.document, []).append((passage.start, passage.end))
    return sum(map(len, texts)) + sum(map(length_of, spans.values()))


def _size(piece: Relevant) -> int:
    if piece.start is None or piece.end is None:
        return len(squeeze(piece.excerpt))
    return piece.end - piece.start


def _divide(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
