import pytest

from rag.models.families import canonical_name, family_of, looks_like_embedding


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
