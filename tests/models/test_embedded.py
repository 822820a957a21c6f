"""The embedded model against vectors that sentence-transformers computed from the same weights."""

import json
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.models.embedded.encoder import Encoder, plan_batches
from rag.models.embedded.weights import model_folder

REFERENCE = Path(__file__).with_name("minilm_reference.npz")


@pytest.fixture(scope="module")
def encoder(weights_cache):
    return Encoder(model_folder(weights_cache))


@pytest.fixture(scope="module")
def reference():
    """Texts of many kinds, their unit vectors and their numbers of tokens."""
    with numpy.load(REFERENCE) as stored:
        texts = json.loads(stored["texts"].tobytes())
        return texts, stored["vectors"], stored["tokens"].tolist()


def test_encode_equals_the_reference(encoder, reference):
    texts, expected, _tokens = reference
    vectors = encoder.encode(texts)
    assert vectors.dtype == numpy.float32
    assert vectors.shape == (62, 384)
    cosines = (vectors * expected).sum(axis=1)
    assert {texts[i]: float(c) for i, c in enumerate(cosines) if c < 0.9999} == {}


def test_encode_is_independent_of_neighbours(encoder, reference):
    texts = reference[0]
    together = encoder.encode(texts)
    alone = numpy.vstack([encoder.encode([text]) for text in texts])
    numpy.testing.assert_allclose(together, alone, atol=1e-5)


def test_encode_gives_unit_rows(encoder, reference):
    lengths = numpy.linalg.norm(encoder.encode(reference[0]), axis=1)
    numpy.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_encode_nothing_gives_no_rows(encoder):
    assert encoder.encode([]).shape == (0, 384)


def test_encode_reads_256_tokens_and_no_more(encoder):
    # 254 words and two special tokens; what follows is not read.
    words = ["word"] * 254
    base, longer, other = encoder.encode(
        [" ".join(words), " ".join([*words, "cat"]), " ".join([*words[:-1], "cat"])]
    )
    assert float(base @ longer) > 0.999999
    assert float(base @ other) < 0.9999


def test_count_tokens_equals_the_reference_without_a_limit(encoder, reference):
    texts, _vectors, tokens = reference
    assert encoder.count_tokens(texts) == tokens
    assert max(tokens) > 1000


def test_encode_from_several_threads_gives_the_same(encoder, reference):
    texts = reference[0][:24]
    expected = encoder.encode(texts)
    with ThreadPoolExecutor(6) as pool:
        for vectors in pool.map(encoder.encode, [texts] * 12):
            numpy.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("The invoice must be paid within thirty days, says Photosynthesis Inc.", 0, 0),
        ("Der Ausschuss beschloss, dass die Straßenbahn fährt.", 0, 0),
        ("def f(x): return x_1 + 2 # fine \N{THUMBS UP SIGN} \N{GRINNING FACE}", 0, 0),
        ("委员会决定发票必须在三十天内支付。我们的办公室周末关门。", 0.5, 0.9),
        ("委員会は、請求書を三十日以内に支払わなければならないと決定しました。", 0.3, 0.9),
        ("คณะกรรมการตัดสินใจว่าต้องชำระใบแจ้งหนี้ภายในสามสิบวัน", 1, 1),
        ("위원회는 송장을 삼십 일 이내에 지불해야 한다고 결정했습니다.", 0.5, 1),
        ("Комитет решил, что счёт должен быть оплачен в течение тридцати дней.", 0.8, 1),
        ("قررت اللجنة أنه يجب دفع الفاتورة في غضون ثلاثين يومًا.", 0.8, 1),
        ("समिति ने निर्णय लिया कि चालान का भुगतान तीस दिनों के भीतर किया जाना चाहिए।", 0.6, 1),
        ("half a pair: \ud800 stays", 0, 0),
    ],
)
def test_words_that_are_only_spelled_are_unknown(encoder, text, least, most):
    assert least <= encoder.unknown_share([text]) <= most


def test_unknown_words_are_counted_over_all_texts(encoder):
    assert encoder.unknown_share(["one two three", "четыре"]) == 0.25
    assert encoder.unknown_share(["12 + 3", ""]) is None
    assert encoder.unknown_share([]) is None


@given(st.lists(st.integers(2, 256), max_size=200))
def test_batches_hold_each_text_once_within_the_limit(lengths):
    batches = list(plan_batches(lengths, 512))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[i] for i in batch) <= 512 for batch in batches)
    assert all(
        min(lengths[i] for i in one) >= max(lengths[i] for i in two)
        for one, two in pairwise(batches)
    )


@pytest.mark.skipif(find_spec("onnx") is None, reason="the package onnx is not installed")
def test_graph_is_what_its_script_writes(weights_cache):
    from onnx import load_model

    from rag.models.embedded import make_minilm_graph

    built = make_minilm_graph.build(model_folder(weights_cache) / "model.safetensors")
    path = Path(make_minilm_graph.__file__).with_name("minilm.onnx")
    stored = load_model(path, load_external_data=False)
    assert list(built.graph.node) == list(stored.graph.node)
    assert list(built.graph.initializer) == list(stored.graph.initializer)
    assert path.stat().st_size < 40_000
