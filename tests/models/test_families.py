import pytest

from rag.models.families import (
    ENGLISH,
    FAMILIES,
    MULTILINGUAL_MODELS,
    UNKNOWN,
    canonical_name,
    family_of,
    languages_of,
    looks_like_embedding,
    reads_language,
)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("text-embedding-nomic-embed-text-v1.5", "nomic"),
        ("nomic-ai/nomic-embed-text-v2-moe-GGUF", "nomic-v2"),
        ("intfloat/multilingual-e5-large-instruct", "e5-instruct"),
        ("multilingual-e5-small", "e5"),
        ("BAAI/bge-m3", "bge-m3"),
        ("bge-large-zh-v1.5", "bge-zh"),
        ("bge-small-en-v1.5", "bge-en"),
        ("snowflake-arctic-embed2:568m", "arctic-v2"),
        ("snowflake-arctic-embed:33m", "arctic"),
        ("text-embedding-qwen3-embedding-0.6b", "qwen3"),
        ("embeddinggemma:300m", "gemma"),
        ("granite-embedding-97m-multilingual-r2", "granite-r2"),
        ("all-MiniLM-L6-v2", "minilm"),
        ("gte-base-en-v1.5", "gte-v1.5"),
        ("thenlper/gte-large", "gte-en"),
        ("gte-large-zh", "unknown"),
        ("paraphrase-multilingual:latest", "paraphrase"),
        ("llama-3.1-8b", "unknown"),
    ],
)
def test_family_is_found_in_every_spelling(model, family):
    assert family_of(model).name == family


@pytest.mark.parametrize(
    ("model", "embeds"),
    [
        ("text-embedding-something-new", True),
        ("all-minilm:latest", True),
        ("bge-reranker-v2-m3", False),
        ("qwen3-4b", False),
        ("gemma-3-270m-it", False),
    ],
)
def test_embedding_models_are_known_by_name(model, embeds):
    assert looks_like_embedding(model) is embeds


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("text-embedding-nomic-embed-text-v1.5@q4_k_m", "nomic-embed-text-v1.5"),
        ("nomic-embed-text-v1.5:2", "nomic-embed-text-v1.5"),
        ("sentence-transformers/all-MiniLM-L6-v2", "all-minilm-l6-v2"),
        ("/models/bge-small-en-v1.5.gguf", "bge-small-en-v1.5"),
        ("all-MiniLM-L6-v2-Q8_0.gguf", "all-minilm-l6-v2"),
        ("nomic-embed-text-v1.5.f16.gguf", "nomic-embed-text-v1.5"),
        ("bge-m3-IQ4_XS", "bge-m3"),
    ],
)
def test_one_model_has_one_canonical_name(model, name):
    assert canonical_name(model) == name


@pytest.mark.parametrize(
    ("model", "language", "reads"),
    [
        ("all-MiniLM-L6-v2", "en", True),
        ("all-MiniLM-L6-v2", "zh", False),
        ("all-MiniLM-L6-v2", "", None),
        ("text-embedding-nomic-embed-text-v1.5@q4_k_m", "de", False),
        ("nomic-embed-text-v2-moe", "de", True),
        ("intfloat/e5-large-v2", "ja", False),
        ("multilingual-e5-large-instruct", "ja", True),
        ("e5-mistral-7b-instruct", "ja", False),
        ("bge-large-zh-v1.5", "zh", True),
        ("bge-large-zh-v1.5", "de", False),
        ("bge-m3", "th", True),
        ("snowflake-arctic-embed:33m", "fr", False),
        ("snowflake-arctic-embed2:568m", "fr", True),
        ("granite-embedding:30m", "fr", False),
        ("granite-embedding:278m", "fr", True),
        ("granite-embedding-97m-multilingual-r2", "fr", True),
        ("gte-multilingual-base", "ko", True),
        ("gte-modernbert-base", "ko", False),
        ("text-embedding-qwen3-embedding-0.6b", "hi", True),
        ("text-embedding-something-new", "en", None),
    ],
)
def test_languages_are_those_of_the_model_card(model, language, reads):
    assert reads_language(model, language) is reads


def test_every_family_says_what_it_reads():
    assert {family.name for family in FAMILIES if not family.languages} == set()
    assert not any(family.word_piece and family.languages != ENGLISH for family in FAMILIES)
    assert UNKNOWN.languages == frozenset()


def test_the_models_proposed_are_known_and_read_every_language():
    for proposal in MULTILINGUAL_MODELS:
        for name in (proposal.ollama, proposal.lm_studio):
            assert looks_like_embedding(name)
            assert family_of(name) is not UNKNOWN
            assert languages_of(name) == {"*"}
