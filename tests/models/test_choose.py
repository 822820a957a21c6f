import pytest

from rag.models.base.errors import (
    AuthenticationFailed,
    BadResponse,
    EndpointError,
    ModelUnavailable,
)
from rag.models.choose import choose_chat, choose_embedding, runs_elsewhere
from rag.models.discover import ModelInfo, Offer, list_models

UNKNOWN_PATH = {"error": "Unexpected endpoint or method. (GET /x)"}
NATIVE_V1 = {
    "models": [
        {
            "type": "llm", "publisher": "lmstudio-community", "key": "gemma-3-270m-it-qat",
            "quantization": {"name": "Q4_0", "bits_per_weight": 4},
            "loaded_instances": [
                {"id": "gemma-3-270m-it-qat",
                 "config": {"context_length": 4096, "parallel": 4, "eval_batch_size": 512}},
            ],
            "max_context_length": 32768, "format": "gguf",
        },
        {
            "type": "embedding", "key": "text-embedding-nomic-embed-text-v1.5",
            "quantization": {"name": "F16"}, "loaded_instances": [], "max_context_length": 2048,
        },
    ]
}  # fmt: skip
NATIVE_V0 = {
    "object": "list",
    "data": [
        {"id": "qwen2-vl-7b-instruct", "object": "model", "type": "vlm", "state": "not-loaded",
         "quantization": "4bit", "max_context_length": 32768},
        {"id": "meta-llama-3.1-8b-instruct", "type": "llm", "state": "loaded",
         "max_context_length": 131072, "loaded_context_length": 8192},
        {"id": "text-embedding-nomic-embed-text-v1.5", "type": "embeddings", "state": "not-loaded",
         "max_context_length": 2048},
    ],
}  # fmt: skip
OPENAI = {"object": "list", "data": [{"id": "llama3.2:3b", "owned_by": "library"},
                                     {"id": "nomic-embed-text:latest", "owned_by": "library"}]}  # fmt: skip
LLAMA_CPP = {"models": [{"name": "x"}], "data": [
    {"id": "bge-small-en-v1.5.gguf", "owned_by": "llamacpp",
     "meta": {"n_ctx": 512, "n_ctx_train": 512, "n_embd": 384}}]}  # fmt: skip
VLLM = {"data": [{"id": "Qwen/Qwen3-4B", "owned_by": "vllm", "max_model_len": 16384}]}


class Server:
    """Answers each path with what it is given, any other as LM Studio does."""

    url = "http://127.0.0.1:1234/v1"
    host = "127.0.0.1:1234"

    def __init__(self, **answers):
        self.answers = {path.replace("_", "/"): body for path, body in answers.items()}

    def get(self, path: str) -> object:
        return self.answers.get(path, UNKNOWN_PATH)


def test_native_v1_tells_loaded_context_and_parallelism():
    offer = list_models(Server(_api_v1_models=NATIVE_V1, _v1_models=OPENAI))
    assert (offer.server, offer.source) == ("LM Studio", "/api/v1/models")
    assert offer.models == (
        ModelInfo("gemma-3-270m-it-qat", "chat", True, 4096, 32768, "Q4_0", 4,
                  publisher="lmstudio-community", format="gguf"),
        ModelInfo("text-embedding-nomic-embed-text-v1.5", "embedding", False, None, 2048, "F16"),
    )  # fmt: skip


def test_native_v0_is_read_where_v1_is_missing():
    offer = list_models(Server(_api_v0_models=NATIVE_V0, _v1_models=OPENAI))
    assert offer.source == "/api/v0/models"
    assert [(m.kind, m.loaded, m.context_tokens) for m in offer.models] == [
        ("chat", False, None), ("chat", True, 8192), ("embedding", False, None)]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "server", "model"),
    [
        (OPENAI, "Ollama", ModelInfo("llama3.2:3b", loaded=None)),
        (LLAMA_CPP, "llama.cpp", ModelInfo("bge-small-en-v1.5.gguf", "unknown", True, 512, 512)),
        (VLLM, "vLLM", ModelInfo("Qwen/Qwen3-4B", "unknown", None, 16384)),
        ({"data": [{"id": "m"}, "junk", {"no": "id"}]}, "the server", ModelInfo("m")),
    ],
)
def test_other_servers_are_read_from_the_openai_path(body, server, model):
    offer = list_models(Server(_v1_models=body))
    assert (offer.server, offer.source, offer.models[0]) == (server, "/v1/models", model)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (UNKNOWN_PATH, BadResponse),
        (None, BadResponse),
        ([], BadResponse),
        ({"data": "x"}, BadResponse),
        ({"error": {"code": "invalid_api_key", "message": "token required"}}, AuthenticationFailed),
    ],
)
def test_answer_of_another_shape_is_an_error_with_a_remedy(body, kind):
    with pytest.raises(kind) as caught:
        list_models(Server(_v1_models=body))
    assert isinstance(caught.value, EndpointError)
    assert caught.value.hint


def offer(*models: ModelInfo) -> Offer:
    return Offer("LM Studio", "/api/v1/models", models)


CHAT = ModelInfo("llama-3", "chat", loaded=True)
COLD_CHAT = ModelInfo("mistral", "chat", loaded=False)
EMBEDDER = ModelInfo("text-embedding-nomic-embed-text-v1.5", "embedding", loaded=True)
COLD_EMBEDDER = ModelInfo("text-embedding-bge-m3", "embedding", loaded=False)
# LM Studio calls some embedding models "llm".
MISTYPED = ModelInfo("text-embedding-qwen3-embedding-0.6b", "chat", loaded=True)
GTE = ModelInfo("gte-qwen2-1.5b-instruct", "chat", loaded=False)
BY_NAME = "by its name (the server calls it a chat model); the first text sent proves it"
# ... and rerankers either.
RERANKER = ModelInfo("qwen3-reranker-0.6b", "chat", loaded=True)
MISTYPED_RERANKER = ModelInfo("text-embedding-bge-reranker-v2-m3", "embedding", loaded=True)


@pytest.mark.parametrize(
    ("models", "wanted", "chosen", "reason"),
    [
        ([CHAT, EMBEDDER], None, EMBEDDER, "the only embedding model loaded"),
        ([COLD_EMBEDDER, EMBEDDER], None, EMBEDDER, "the only embedding model loaded"),
        ([EMBEDDER, MISTYPED], None, EMBEDDER, "the first of 2 loaded embedding models"),
        ([MISTYPED, EMBEDDER], None, EMBEDDER, "the first of 2 loaded embedding models"),
        ([MISTYPED, COLD_EMBEDDER], None, MISTYPED, f"the only embedding model loaded, {BY_NAME}"),
        ([CHAT, MISTYPED], None, MISTYPED, f"the only embedding model loaded, {BY_NAME}"),
        ([CHAT, GTE], None, GTE, f"the only embedding model offered, {BY_NAME}"),
        ([RERANKER, MISTYPED_RERANKER, COLD_EMBEDDER], None, COLD_EMBEDDER,
         "the only embedding model offered"),
        ([COLD_EMBEDDER, ModelInfo("text-embedding-e5-small", "embedding", loaded=False)], None,
         COLD_EMBEDDER, "the first of 2 embedding models offered; none is loaded"),
        ([CHAT, COLD_EMBEDDER], None, COLD_EMBEDDER, "the only embedding model offered"),
        ([EMBEDDER, COLD_EMBEDDER], "bge-m3", COLD_EMBEDDER, "named by RAG_EMBEDDING_MODEL"),
        ([ModelInfo("a"), ModelInfo("nomic-embed-text:latest")], None,
         ModelInfo("nomic-embed-text:latest"), "the only embedding model offered"),
        ([ModelInfo("/tmp/m.gguf")], None, ModelInfo("/tmp/m.gguf"),
         "the only model offered; the first text sent proves it"),
    ],
)  # fmt: skip
def test_embedding_model_is_chosen_with_its_reason(models, wanted, chosen, reason):
    choice = choose_embedding(offer(*models), wanted)
    assert (choice.model, choice.reason) == (chosen, reason)


def test_model_of_the_index_goes_first_unless_one_is_named():
    offered, made_with = offer(EMBEDDER, COLD_EMBEDDER), COLD_EMBEDDER.id
    choice = choose_embedding(offered, None, made_with)
    assert (choice.model, choice.reason) == (COLD_EMBEDDER, "the index was made with it")
    assert choose_embedding(offered, EMBEDDER.id, made_with).model == EMBEDDER
    assert choose_embedding(offered, None, "gone").model == EMBEDDER


@pytest.mark.parametrize(
    ("models", "wanted", "chosen"),
    [
        ([EMBEDDER, COLD_CHAT, CHAT], None, CHAT),
        ([MISTYPED, COLD_CHAT], None, COLD_CHAT),
        ([CHAT, COLD_CHAT], "mistral", COLD_CHAT),
        ([ModelInfo("bge-m3"), ModelInfo("qwen3")], None, ModelInfo("qwen3")),
        ([RERANKER, COLD_CHAT], None, COLD_CHAT),
        ([GTE, COLD_CHAT], None, COLD_CHAT),
    ],
)
def test_chat_model_is_never_one_that_embeds(models, wanted, chosen):
    assert choose_chat(offer(*models), wanted).model == chosen


@pytest.mark.parametrize(
    ("models", "unproven"),
    [
        ([CHAT, EMBEDDER], False),
        ([ModelInfo("nomic-embed-text:latest")], False),
        ([CHAT, MISTYPED], True),
        ([ModelInfo("/tmp/m.gguf")], True),
    ],
)
def test_choice_that_is_a_guess_says_so(models, unproven):
    assert ("the first text sent proves it" in choose_embedding(offer(*models), None).reason) is (
        unproven
    )


@pytest.mark.parametrize(
    "name",
    [
        "Qwen/Qwen3-4B", "Meta-Llama-3.1-8B-Instruct", "gemma-3-4b-it", "openai/gpt-oss-20b",
        "deepseek-r1-distill", "starcoder2-coder", "phi-4", "/models/Mistral-7B-v0.3.gguf",
        "llama-2-7b-chat", "smollm2:1.7b-instruct",
    ],
)  # fmt: skip
def test_only_model_that_is_plainly_for_chat_does_not_embed(name):
    only = Offer("vLLM", "/v1/models", (ModelInfo(name),))
    with pytest.raises(ModelUnavailable, match="vLLM offers no embedding model") as caught:
        choose_embedding(only, None)
    assert "vllm serve" in caught.value.hint
    assert "RAG_EMBEDDING_ENDPOINT=embedded" in caught.value.hint
    assert "set RAG_EMBEDDING_MODEL" in caught.value.hint
    assert choose_embedding(only, name).model.id == name
    assert choose_chat(only, None).model.id == name


@pytest.mark.parametrize(
    "name",
    ["intfloat/e5-mistral-7b-instruct", "instructor-large", "sentence-bert-base-it", "stella_en",
     "Qwen/Qwen3-Embedding-4B", "/home/chat/m.gguf"],
)  # fmt: skip
def test_only_model_that_may_embed_is_used(name):
    assert choose_embedding(offer(ModelInfo(name)), None).model.id == name


@pytest.mark.parametrize(
    ("server", "embed", "chat"),
    [
        ("LM Studio", "lms get nomic-ai/nomic-embed-text-v1.5", "lms load qwen/qwen3-4b"),
        ("Ollama", "ollama pull nomic-embed-text", "ollama pull qwen3:4b"),
        ("llama.cpp", "llama-server -m nomic-embed-text-v1.5.gguf --embeddings",
         "llama-server -m Qwen3-4B.gguf"),
        ("vLLM", "vllm serve", "vllm serve Qwen/Qwen3-4B"),
        ("the server", "lms get nomic-ai/nomic-embed-text-v1.5", "lms get qwen/qwen3-4b"),
    ],
)  # fmt: skip
def test_hints_are_in_the_commands_of_the_server(server, embed, chat):
    nothing = Offer(server, "/v1/models", ())
    hints = []
    for choose, wanted in [(choose_embedding, None), (choose_chat, None), (choose_chat, "my-own")]:
        with pytest.raises(ModelUnavailable) as caught:
            choose(nothing, wanted)
        hints.append(caught.value.hint)
    assert embed in hints[0]
    assert chat in hints[1]
    assert "RAG_CHAT_ENDPOINT=embedded" in hints[1]
    assert "my-own" in hints[2]
    assert "RAG_CHAT_MODEL" in hints[2]
    assert not any("MODEL" in h.replace("RAG_CHAT_MODEL", "") for h in hints)


CLOUD = ModelInfo("gpt-oss:120b-cloud", "chat", loaded=True)
PROXIED = ModelInfo("deepseek", "chat", loaded=True, remote_host="https://ollama.com")


@pytest.mark.parametrize("remote", [CLOUD, PROXIED, ModelInfo("glm-4.6:cloud")])
def test_model_that_runs_elsewhere_is_chosen_only_without_another_or_by_name(remote):
    assert choose_chat(offer(remote, COLD_CHAT), None).model == COLD_CHAT
    assert "it runs at" not in choose_chat(offer(remote, COLD_CHAT), None).reason
    assert choose_chat(offer(remote, COLD_CHAT), remote.id).model == remote
    alone = choose_chat(offer(remote, EMBEDDER), None)
    assert alone.model == remote
    place = remote.remote_host or "another machine"
    assert alone.reason.endswith(f"; it runs at {place}, not on this server")


def test_embedding_model_that_runs_elsewhere_is_chosen_last_too():
    remote = ModelInfo("embeddinggemma:cloud", "embedding", loaded=True)
    assert choose_embedding(offer(remote, COLD_EMBEDDER), None).model == COLD_EMBEDDER
    assert "another machine" in choose_embedding(offer(remote), None).reason
    assert runs_elsewhere(remote)
    assert not runs_elsewhere(ModelInfo("cloud-atlas:7b"))


def test_loaded_instance_with_the_largest_context_is_chosen():
    small = ModelInfo("phi-4", "chat", True, 4096)
    large = ModelInfo("phi-4:2", "chat", True, 16384, key="phi-4")
    huge = ModelInfo("other", "chat", True, 131072)
    choice = choose_chat(offer(small, large), None)
    assert choice.model == large
    assert choice.reason == (
        "the only chat model loaded, of its 2 instances the one with the largest context "
        "(16384 tokens)"
    )
    choice = choose_chat(offer(small, huge, large), None)
    assert choice.model == large
    assert choice.reason.startswith("the first of 2 loaded chat models, of its 2 instances")
    twin = ModelInfo("phi-4:2", "chat", True, 4096, key="phi-4")
    choice = choose_chat(offer(small, twin), None)
    assert (choice.model, choice.reason) == (
        small, "the only chat model loaded, the first of its 2 instances")  # fmt: skip


def test_reranker_neither_embeds_nor_answers():
    for reranker in (RERANKER, MISTYPED_RERANKER, ModelInfo("BAAI/bge-reranker-base")):
        with pytest.raises(ModelUnavailable, match="no embedding model"):
            choose_embedding(offer(reranker), None)
        with pytest.raises(ModelUnavailable, match="no chat model"):
            choose_chat(offer(reranker), None)


def test_model_that_sees_images_answers_too():
    native = {"data": [{"id": "qwen2-vl", "type": "vlm", "state": "loaded"}]}
    choice = choose_chat(list_models(Server(_api_v0_models=native)), None)
    assert choice.model.id == "qwen2-vl"


def test_one_of_two_instances_is_chosen_by_its_name():
    first = ModelInfo("qwen", "chat", True, 4096)
    second = ModelInfo("qwen:2", "chat", True, 16384, key="qwen")
    assert choose_chat(offer(first, second), "qwen:2").model.context_tokens == 16384
    assert choose_chat(offer(first, second), "qwen").model == first
    assert choose_chat(offer(second), "qwen").model == second
    assert choose_chat(offer(first, second), "lmstudio-community/qwen").model == first


def test_only_a_chat_model_is_told_with_the_built_in_way_out():
    with pytest.raises(ModelUnavailable, match="no embedding model") as caught:
        choose_embedding(offer(CHAT), None)
    assert "RAG_EMBEDDING_ENDPOINT=embedded" in caught.value.hint


def test_model_that_is_not_offered_is_told_with_what_is():
    with pytest.raises(ModelUnavailable, match="does not offer gpt-9.*llama-3"):
        choose_chat(offer(CHAT), "gpt-9")
    with pytest.raises(ModelUnavailable, match="no chat model"):
        choose_chat(offer(EMBEDDER), None)


def test_sizes_of_one_model_are_told_apart():
    small, large = ModelInfo("llama3.2:1b"), ModelInfo("llama3.2:3b")
    assert choose_chat(offer(small, large), "llama3.2:3b").model == large
    with pytest.raises(ModelUnavailable):
        choose_chat(offer(small, large), "llama3.2")
    assert choose_chat(offer(large), "llama3.2").model == large
