from rag.models.base.errors import EndpointUnreachable
from rag.models.discover import KNOWN_SERVERS, ModelInfo, find_servers, list_models

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
             "details": {"quantization_level": "Q4_K_M", "context_length": 131072}},
            {"name": "e:v1", "capabilities": ["embedding"], "details": {"context_length": 8192}},
            {"name": "cloud", "capabilities": ["completion"], "remote_host": "https://ollama.com"},
        ]},
        _api_ps={"models": [{"name": "a:1b", "context_length": 4096}]},
    ))  # fmt: skip
    assert offer.server == "Ollama"
    assert offer.models == (
        ModelInfo("a:1b", "chat", True, 4096, 131072, "Q4_K_M"),
        ModelInfo("e:v1", "embedding", False, None, 8192),
        ModelInfo("cloud", "chat", False, remote_host="https://ollama.com"),
    )


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
