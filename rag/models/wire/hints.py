"""What to do about a fault, in the commands of the server that has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Commands:
    """How a server is started, given a model, more context, or a model that embeds.

    MODEL stands for the model that was asked for.
    """

    start: str
    load: str
    context: str
    embed: str


# Where it is not known which server answers, the default comes first.
_UNKNOWN = Commands(
    start="start it (LM Studio: lms server start)",
    load=(
        "load one in LM Studio (or: lms get nomic-ai/nomic-embed-text-v1.5 && lms load MODEL), "
        "then see: rag doctor"
    ),
    context="load the model with a larger context (LM Studio: lms load MODEL --context-length N)",
    embed="LM Studio: lms get nomic-ai/nomic-embed-text-v1.5",
)
_COMMANDS: Mapping[str, Commands] = {
    "LM Studio": Commands(
        start="run: lms server start",
        load="run: lms load MODEL (lms get MODEL if it is not there yet), then see: rag doctor",
        context="run: lms load MODEL --context-length N, with a larger N",
        embed="lms get nomic-ai/nomic-embed-text-v1.5",
    ),
    "Ollama": Commands(
        start="run: ollama serve",
        load="run: ollama pull MODEL, then see: rag doctor",
        context="give it more context: OLLAMA_CONTEXT_LENGTH=N ollama serve",
        embed="ollama pull nomic-embed-text",
    ),
    "llama.cpp": Commands(
        start="run: llama-server -m MODEL.gguf (with --embeddings for vectors)",
        load="run: llama-server -m MODEL.gguf (--embeddings for vectors), then see: rag doctor",
        context="start llama-server with a larger -c, for embeddings a larger --ubatch-size too",
        embed="llama-server -m MODEL.gguf --embeddings",
    ),
    "vLLM": Commands(
        start="run: vllm serve MODEL",
        load="run: vllm serve MODEL, then see: rag doctor",
        context="run: vllm serve MODEL --max-model-len N, with a larger N",
        embed="vllm serve an embedding model",
    ),
    "the embedded model": Commands(
        start="start it again",
        load="run: rag models pull",
        context="its context is fixed",
        embed="set RAG_EMBEDDING_ENDPOINT to embedded",
    ),
}

MISSING_V1 = "check RAG_ENDPOINT: the address of an OpenAI-compatible server ends in /v1"
WRITE_HTTPS = "write https:// in RAG_ENDPOINT, or check the port: it does not speak http://"
KEY = "set RAG_API_KEY (RAG_EMBEDDING_API_KEY, RAG_CHAT_API_KEY) to the server's key or token"


def commands_of(server: str, model: str = "") -> Commands:
    """Return the commands of a server by its name, "" or any other for the general ones."""
    found = _COMMANDS.get(server, _UNKNOWN)
    if not model:
        return found
    texts = {f.name: getattr(found, f.name).replace("MODEL", model) for f in fields(found)}
    return replace(found, **texts)
