import pytest

from rag.models.base.errors import EndpointUnreachable, ServerBusy
from rag.models.discover import (
    KNOWN_SERVERS,
    ModelInfo,
    describe_model,
    find_servers,
    list_models,
)

UNKNOWN_PATH = {"error": "Unexpected endpoint or method. (GET /x)"}


class Server:
    host = "127.0.0.1:1"

    def __init__(self, url: str = "http://127.0.0.1:1/v1", **answers: object) -> None:
        self.url = url
        self.answers = {path.replace("_", "/"): body for path, body in answers.items()}

    def get(self, path: str) -> object:
        return self.answers.get(path, UNKNOWN_PATH)


class Nobody(Server):
    def get(self, path: str) -> object:
        raise EndpointUnreachable("no server", "start one")


def test_ollama_tells_kind_context_and_who_really_answers():
    offer = list_models(Server(
        _v1_models={"data": [{"id": name, "owned_by": "library"} for name in ("a:1b", "e:v1", "cloud")]},
        _api_tags={"models": [
            {"name": "a:1b", "capabilities": ["completion", "tools"],
             "size": 1321098329, "details": {"quantization_level": "Q4_K_M", "family": "llama",
                                             "format": "gguf", "context_length": 131072}},
            {"name": "e:v1", "capabilities": ["embedding"], "details": {"context_length": 8192}},
            {"name": "cloud", "capabilities": ["completion"], "remote_host": "https://ollama.com"},
        ]},
        _api_ps={"models": [{"name": "a:1b", "context_length": 4096}]},
    ))  # fmt: skip
    assert offer.server == "Ollama"
    assert offer.models == (
        ModelInfo("a:1b", "chat", True, 4096, 131072, "Q4_K_M",
                  architecture="llama", format="gguf", size_bytes=1321098329),
        ModelInfo("e:v1", "embedding", False, None, 8192),
        ModelInfo("cloud", "chat", False, remote_host="https://ollama.com"),
    )  # fmt: skip


def test_llama_cpp_tells_the_context_of_one_slot():
    row = {"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 16384, "n_ctx_train": 32768}}
    props = {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 4}
    (model,) = list_models(Server(_v1_models={"data": [row]}, _props=props)).models
    assert (model.context_tokens, model.max_context_tokens, model.parallel) == (4096, 32768, 4)
    (model,) = list_models(Server(_v1_models={"data": [row]}, _props={"x": 1})).models
    assert model.context_tokens == 16384


def test_servers_are_found_in_the_stated_order():
    answers = {"_v1_models": {"data": [{"id": "m", "owned_by": "library"}]}}
    ollama, llama = KNOWN_SERVERS[1][1], KNOWN_SERVERS[2][1]
    found = find_servers(
        lambda url: Server(url, **answers) if url in (llama, ollama) else Nobody(url)
    )
    assert [url for url, _ in found] == [ollama, llama]


class Loading(Server):
    """Busy as it is while a model is loaded: in JSON everywhere, or as a web page says it."""

    is_json = True

    def get(self, path: str) -> object:
        if self.is_json or path.startswith("/v1/"):
            raise ServerBusy("127.0.0.1 says: Loading model", "wait", retryable=True)
        return None


class WebPage(Loading):
    is_json = False


def test_server_that_loads_is_found_and_a_web_page_is_not():
    llama, vllm = KNOWN_SERVERS[3][1], KNOWN_SERVERS[4][1]
    kinds = {llama: Loading, vllm: WebPage}
    ((url, offer),) = find_servers(lambda url: kinds.get(url, Nobody)(url))
    assert (url, offer.server, offer.models) == (llama, "llama.cpp", ())


@pytest.mark.parametrize(
    "answers",
    [
        {"_api_v1_models": {"models": []}, "_v1_models": {"object": "list", "data": []}},
        {"_v1_models": {"object": "list", "data": None}},
    ],
)
def test_server_without_a_model_is_found_under_its_usual_name(answers):
    for name, place in KNOWN_SERVERS:
        ((url, offer),) = find_servers(
            lambda url, place=place: Server(url, **answers) if url == place else Nobody(url)
        )
        assert (url, offer.server, offer.models) == (place, name, ())


def test_each_loaded_instance_is_listed_with_its_own_context():
    row = {"type": "llm", "key": "qwen", "loaded_instances": [
        {"id": "qwen", "config": {"context_length": 4096, "parallel": 4, "eval_batch_size": 512}},
        {"id": "qwen:2", "config": {"context_length": 16384}}, "junk"]}  # fmt: skip
    idle = {"type": "llm", "key": "phi", "loaded_instances": []}
    offer = list_models(Server(_api_v1_models={"models": [row, idle]}))
    assert offer.models == (
        ModelInfo("qwen", "chat", True, 4096, parallel=4),
        ModelInfo("qwen:2", "chat", True, 16384, key="qwen"),
        ModelInfo("phi", "chat", False),
    )


def test_server_that_says_little_is_read_without_guessing():
    litellm = {"data": [{"id": "gpt", "object": "model", "owned_by": "openai"}]}
    offer = list_models(Server(_v1_models=litellm))
    assert (offer.server, offer.models) == ("the server", (ModelInfo("gpt"),))
    vllm = {"data": [{"id": "Qwen/Qwen3-4B", "owned_by": "vllm", "max_model_len": 16384}]}
    offer = list_models(Server(_v1_models=vllm))
    assert (offer.server, offer.models[0].context_tokens) == ("vLLM", 16384)


def test_one_model_is_described_by_its_quoted_name():
    row = {"id": "google/gemma-3-4b", "type": "vlm", "state": "loaded", "arch": "gemma3",
           "max_context_length": 131072, "loaded_context_length": 8192}  # fmt: skip
    server = Server()
    server.answers["/api/v0/models/google%2Fgemma-3-4b"] = row
    assert describe_model(server, "google/gemma-3-4b") == ModelInfo(
        "google/gemma-3-4b", "chat", True, 8192, 131072, architecture="gemma3"
    )


def test_model_that_cannot_be_described_is_none():
    assert describe_model(Server(), "qwen") is None
    odd = Server()
    for body in (None, [], {"id": "qwen"}, {"id": 1, "type": "llm", "state": "loaded"}):
        odd.answers["/api/v0/models/qwen"] = body
        assert describe_model(odd, "qwen") is None
