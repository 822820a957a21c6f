"""What was found in, whether it can hold the answer out, before a model is asked.

The score is the product of two logistic models over the signs of `features`: whether the
passages are about what is asked, and whether they say it rather than something near it.  Both
were fitted on the cases with even sha256(id) of SQuAD 2.0, of XQuAD in German and Chinese (the
document that answers held out), of three more sets and of questions put to the index of another
set, each set weighing alike, in coefficients that may not have the wrong sign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.query.base.answers import Evidence
from rag.query.evidence.features import Signs, read_signs
from rag.query.evidence.reasons import explain

if TYPE_CHECKING:
    from rag.query.base.hits import Retrieval
    from rag.query.evidence.calibration import Calibration

# Of a question and passages about the same: nearness by meaning, the words by rarity in one
# sentence and in one passage, and neighbouring words that are neighbours there.  Chinese and
# Japanese have their own constants: pairs of signs across two words are found more rarely, so
# shares of them are taken by their root, and few embedding models know the signs.
ABOUT = {"likeness": 6.5, "sentence": 3.7, "passage": 4.9, "order": 4.2}
ABOUT_CJK = {"likeness": 0.9, "sentence": 3.7, "passage": 4.9, "order": 4.2}
ABOUT_ZERO, ABOUT_CJK_ZERO = -8.1, -5.2
# Of passages that say what is asked: what speaks against it.
SAYS = {
    "likeness": 1.6, "order": 0.3, "negated": -3.5, "opposed": -2.1, "figures": -2.7,
    "limits": -0.25, "kind": -0.9,
}  # fmt: skip
SAYS_ZERO = -1.2
# The models were fitted on as many questions with an answer as without.  To refuse a question
# that has one is the worse mistake: 0.5 is where it is taken for so many times as bad.
WRONG_REFUSAL = 48.0


def judge(
    question: str, found: Sequence[Retrieval], calibration: Calibration, threshold: float | None
) -> Evidence:
    """Return how likely the passages found hold the answer to the question.

    `threshold` takes the place of the calibrated one; 0 never refuses.  Of a question in several
    parts the score is that of the best, since one part can be answered without the others, and
    the reasons are those of the part that is answered worst.
    """
    readings = [read_signs(one) for one in found]
    scored = sorted(
        ((weigh(one.signs, calibration), i) for i, one in enumerate(readings)), reverse=True
    )
    least = calibration.threshold if threshold is None else threshold
    if not scored:
        return Evidence(0.0, least, ("nothing was searched for",))
    (best, _), (_, worst) = scored[0], scored[-1]
    part = found[worst].question
    return Evidence(best, least, explain(readings[worst], "" if part == question else part))


def weigh(signs: Signs, calibration: Calibration) -> float:
    """Return the score of the signs, 0 to 1."""
    likeness = _scale(signs.likeness, calibration)
    shares = (signs.sentence, signs.passage)
    sentence, passage = map(math.sqrt, shares) if signs.cjk else shares
    about = ABOUT_CJK if signs.cjk else ABOUT
    value = {
        "likeness": likeness, "sentence": sentence, "passage": passage, "order": signs.order,
        "negated": signs.negated, "opposed": signs.opposed, "figures": signs.figures,
        "limits": signs.limits, "kind": signs.kind,
    }  # fmt: skip
    zero = ABOUT_CJK_ZERO if signs.cjk else ABOUT_ZERO
    is_about = _logistic(zero + sum(weight * value[name] for name, weight in about.items()))
    says = _logistic(SAYS_ZERO + sum(weight * value[name] for name, weight in SAYS.items()))
    both = is_about * says
    return both / (both + (1 - both) / WRONG_REFUSAL)


def _scale(likeness: float, calibration: Calibration) -> float:
    """Return a cosine on the scale of the embedding model: 0 unrelated, 1 as good as an answer."""
    span = calibration.related - calibration.floor
    return min(1.2, max(0.0, (likeness - calibration.floor) / span))


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))
