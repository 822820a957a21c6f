"""The marks by which sentences are chosen."""

import pytest

from rag.models.base.passages import Passage
from rag.models.embedded.encoder import Encoder
from rag.models.embedded.scoring import MAX_CANDIDATES, score_sentences
from rag.models.embedded.weights import model_folder


@pytest.fixture(scope="module")
def encode(weights_cache):
    return Encoder(model_folder(weights_cache)).encode


def score(question, *texts, encode):
    passages = [Passage(n, f"{n}.txt", text) for n, text in enumerate(texts, start=1)]
    return score_sentences(question, passages, encode)


def test_words_of_the_question_count_by_rarity(encode):
    text = "The lock is red. The lock is blue. The lock is old. The hinge is red."
    *locks, hinge = score("Is the lock or the hinge red?", text, encode=encode)
    assert hinge.words > max(lock.words for lock in locks)
    assert 0 < locks[2].words < locks[0].words < 1


def test_sentence_before_counts_as_around_only(encode):
    text = "The crane is replaced. It may cost 46,500 euro."
    crane, cost = score("How much may the crane cost?", text, encode=encode)
    assert crane.words == crane.around
    assert cost.around > cost.words


def test_words_together_count_more_than_words_apart(encode):
    near = "The storm mode drained it."
    far = "The storm came when nobody in the harbour had thought of another mode."
    one, other = score("What is the storm mode?", f"{near} {far}", encode=encode)
    assert one.words == other.words
    assert (one.together, other.together) == (1, 0)


def test_kind_asked_for_is_marked(encode):
    text = "The key is kept by Martha Keller. The key is made of steel."
    keeper, steel = score("Who keeps the key?", text, encode=encode)
    assert (keeper.kind, steel.kind) == (1, 0)
    assert keeper.score - keeper.likeness > steel.score - steel.likeness


def test_early_passages_come_first_when_all_else_is_alike(encode):
    first, second = score("What is red?", "A door is red.", "A door is red, too.", encode=encode)
    assert (first.early, second.early) == (1, -1)


def test_likeness_is_between_none_and_one(encode):
    found = score("The door is red", "The door is red. 42 geese.", encode=encode)
    assert found[0].likeness == pytest.approx(1, abs=0.05)
    assert 0 <= found[1].likeness < 0.5


def test_no_more_sentences_are_embedded_than_allowed(encode):
    asked = []

    def count(texts):
        asked.extend(texts)
        return encode(texts)

    text = " ".join(f"Goose {n} is grey." for n in range(60))
    found = score("Which goose is number 59 of all?", text, encode=count)
    assert len(found) == MAX_CANDIDATES == len(asked) - 1
    assert any("59" in candidate.terms for candidate in found)


def test_nothing_is_scored_without_question_or_sentence(encode):
    assert score(" ", "A door.", encode=encode) == []
    assert score("What?", "What? Why?", " ", encode=encode) == []
