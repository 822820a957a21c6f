"""What is known of embedding model families: prefixes and limits, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BGE = "Represent this sentence for searching relevant passages: "


@dataclass(frozen=True, slots=True)
class Family:
    """One row: `pattern` is searched in the lower-cased model id, the first match wins.

    Prefixes are put before a question and before a document's text; they were trained with
    the model and leaving them out costs retrieval quality in silence.  `max_tokens` is what
    the model was trained for, special tokens included.
    """

    name: str
    pattern: str
    query_prefix: str = ""
    document_prefix: str = ""
    max_tokens: int = 512


# Prefixes and limits as published with each model; mteb keeps the same in its model cards.
FAMILIES = (
    Family("nomic-v2", r"nomic-embed-text-v2", "search_query: ", "search_document: ", 512),
    Family("nomic", r"nomic-embed-text", "search_query: ", "search_document: ", 8192),
    Family("modernbert", r"modernbert-embed", "search_query: ", "search_document: ", 8192),
    Family(
        "e5-instruct",
        r"e5-.*instruct",
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        "Query: ",
    ),
    Family("e5", r"\be5-(small|base|large)|multilingual-e5", "query: ", "passage: "),
    Family("bge-m3", r"bge-m3", max_tokens=8192),
    Family("bge-zh", r"bge-.*-zh", "为这个句子生成表示以用于检索相关文章："),
    Family("bge-en", r"bge-(small|base|large|.*-en)", _BGE),
    Family("mxbai", r"mxbai-embed-large", _BGE),
    Family("arctic-v2", r"arctic-embed2|arctic-embed-.*v2", "query: ", max_tokens=8192),
    Family("arctic", r"arctic-embed", _BGE),
    Family(
        "qwen3",
        r"qwen3-embedding",
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        "Query:",
        max_tokens=32768,
    ),
    Family(
        "gemma-2",
        r"embeddinggemma-2",
        "task: search result | query: ",
        "title: none | text: ",
        8192,
    ),
    Family(
        "gemma",
        r"embeddinggemma|embedding-gemma",
        "task: search result | query: ",
        "title: none | text: ",
        2048,
    ),
    Family("jina-v5", r"jina-embeddings-v5", "Query: ", "Document: ", 8192),
    Family("granite-r2", r"granite-embedding.*r2", max_tokens=8192),
    Family("granite", r"granite-embedding"),
    Family("gte", r"gte-(modernbert|multilingual|base-en-v1\.5)", max_tokens=8192),
    Family("minilm", r"all-minilm", max_tokens=256),
    Family("mpnet", r"all-mpnet-base", max_tokens=384),
)
UNKNOWN = Family("unknown", r"")


def family_of(model: str) -> Family:
    """Return the family a model id belongs to, UNKNOWN (no prefixes, 512 tokens) if none."""
    name = model.lower()
    return next((family for family in FAMILIES if re.search(family.pattern, name)), UNKNOWN)


def looks_like_embedding(model: str) -> bool:
    """Tell whether a model id is that of an embedding model."""
    name = model.lower()
    if re.search(r"rerank|cross-encoder", name):
        return False
    return family_of(name) is not UNKNOWN or bool(re.search(r"embed|\bbge\b|\bgte\b", name))


def canonical_name(model: str) -> str:
    """Return one spelling for a model that servers name differently.

    Publisher path, `text-embedding-`, `@quantisation`, `:instance` and file endings are cut:
    `text-embedding-nomic-embed-text-v1.5@q4_k_m` → `nomic-embed-text-v1.5`.
    """
    name = re.split(r"[/\\]", model.lower())[-1]
    name = name.removesuffix(".gguf").removeprefix("text-embedding-")
    return re.sub(r"[@:].*$|[-._](i?q\d[a-z0-9_]*|b?f16|f32)$", "", name)


def may_be_same(one: str, other: str) -> bool:
    """Tell whether two names in answers may be those of one model; "" is any."""
    return not one or not other or canonical_name(one) == canonical_name(other)
