"""What is known of embedding model families: prefixes, limits and languages, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass

ENGLISH = frozenset({"en"})
MANY = frozenset({"*"})
_MULTILINGUAL = re.compile(r"multilingual|granite-embedding:(107|278)m")
_BGE = "Represent this sentence for searching relevant passages: "


@dataclass(frozen=True, slots=True)
class Family:
    """One row: `pattern` is searched in the lower-cased model id, the first match wins.

    Prefixes are put before a question and before a document's text; they were trained with
    the model and leaving them out costs retrieval quality in silence.  `max_tokens` is what
    the model was trained for, special tokens included.  `languages` are codes of ISO 639-1,
    MANY for about a hundred, empty when not known; `word_piece` says that the vocabulary is
    BERT's of English text, to which other scripts are letters at most.
    """

    name: str
    pattern: str
    query_prefix: str = ""
    document_prefix: str = ""
    max_tokens: int = 512
    languages: frozenset[str] = frozenset()
    word_piece: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A model to offer, by the names under which Ollama and LM Studio fetch it."""

    ollama: str
    lm_studio: str


MULTILINGUAL_MODELS = (
    Proposal("embeddinggemma", "lmstudio-community/embeddinggemma-300m-qat-GGUF"),
    Proposal("bge-m3", "gpustack/bge-m3-GGUF"),
    Proposal("qwen3-embedding:0.6b", "Qwen/Qwen3-Embedding-0.6B-GGUF"),
)
"""Small models that read about a hundred languages, the smallest first."""

_INSTRUCT = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
)
_NOMIC = ("search_query: ", "search_document: ")
_GEMMA = ("task: search result | query: ", "title: none | text: ")
_JINA = ("Query: ", "Document: ")

# Prefixes, limits and languages as published with each model; mteb keeps the same in its cards.
FAMILIES = (
    Family("nomic-v2", r"nomic-embed-text-v2", *_NOMIC, 512, MANY),
    Family("nomic", r"nomic-embed-text", *_NOMIC, 8192, ENGLISH, True),
    Family("modernbert", r"modernbert-embed", *_NOMIC, 8192, ENGLISH),
    Family("e5-instruct", r"e5-.*instruct", f"{_INSTRUCT} ", languages=ENGLISH),
    Family("e5", r"\be5-(small|base|large)|multilingual-e5", "query: ", "passage: ", 512, ENGLISH,
           True),
    Family("bge-m3", r"bge-m3", max_tokens=8192, languages=MANY),
    Family("bge-zh", r"bge-.*-zh", "为这个句子生成表示以用于检索相关文章：",
           languages=frozenset({"zh"})),
    Family("bge-en", r"bge-(small|base|large|.*-en)", _BGE, languages=ENGLISH, word_piece=True),
    Family("mxbai", r"mxbai-embed-large", _BGE, languages=ENGLISH, word_piece=True),
    Family("arctic-v2", r"arctic-embed2|arctic-embed-.*v2", "query: ", "", 8192, MANY),
    Family("arctic", r"arctic-embed", _BGE, languages=ENGLISH, word_piece=True),
    Family("qwen3", r"qwen3-embedding", _INSTRUCT, "", 32768, MANY),
    Family("gemma-2", r"embeddinggemma-2", *_GEMMA, 8192, MANY),
    Family("gemma", r"embeddinggemma|embedding-gemma", *_GEMMA, 2048, MANY),
    Family("jina-v5", r"jina-embeddings-v5", *_JINA, 8192, MANY),
    Family("jina-v3", r"jina-embeddings-v3", max_tokens=8192, languages=MANY),
    Family("jina-v2-en", r"jina-embeddings-v2-(small|base)-en", "", "", 8192, ENGLISH, True),
    Family("granite-r2", r"granite-embedding.*r2", max_tokens=8192, languages=ENGLISH),
    Family("granite", r"granite-embedding", languages=ENGLISH),
    Family("gte", r"gte-(modernbert|multilingual)", max_tokens=8192, languages=ENGLISH),
    Family("gte-v1.5", r"gte-(base|large)-en-v1\.5", "", "", 8192, ENGLISH, True),
    Family("gte-en", r"\bgte-(small|base|large)(?!.*zh)", languages=ENGLISH, word_piece=True),
    Family("paraphrase", r"paraphrase-multilingual", max_tokens=128, languages=MANY),
    Family("minilm", r"all-minilm", "", "", 256, ENGLISH, True),
    Family("mpnet", r"all-mpnet-base", "", "", 384, ENGLISH, True),
)  # fmt: skip
UNKNOWN = Family("unknown", r"")


def family_of(model: str) -> Family:
    """Return the family a model id belongs to, UNKNOWN (no prefixes, 512 tokens) if none."""
    name = model.lower()
    return next((family for family in FAMILIES if re.search(family.pattern, name)), UNKNOWN)


def languages_of(model: str) -> frozenset[str]:
    """Return the languages a model was made for: codes, MANY, or none when not known."""
    return MANY if _MULTILINGUAL.search(model.lower()) else family_of(model).languages


def reads_language(model: str, language: str) -> bool | None:
    """Tell whether a model was made for a language of ISO 639-1; None when not known."""
    languages = languages_of(model)
    if not languages or not language:
        return None
    return languages == MANY or language in languages


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
