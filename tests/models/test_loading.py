import threading

import pytest
from fault_server import FaultServer, as_json

from rag.models.base.errors import ServerBusy
from rag.models.discover import ModelInfo, list_models
from rag.models.endpoint import Endpoint, Timeouts
from rag.models.loading import LOAD_PATH, load_model

COLD = {"type": "llm", "key": "qwen", "max_context_length": 32768, "loaded_instances": []}
WARM = {**COLD, "loaded_instances": [{"id": "qwen", "config": {"context_length": 8192}}]}


@pytest.fixture
def server():
    with FaultServer().running() as running:
        yield running


@pytest.fixture
def endpoint(server):
    endpoint = Endpoint(server.url, "k", Timeouts(response=5, retry=0.01, load=1))
    yield endpoint
    endpoint.close()


def listing(*rows):
    return as_json({"models": list(rows)})


def test_cold_model_is_loaded_and_its_real_context_known(server, endpoint):
    server.on("/api/v1/models", listing(COLD), listing(COLD), listing(WARM))
    server.on(LOAD_PATH, as_json({"status": "loaded", "instance_id": "qwen"}))
    (model,) = list_models(endpoint).models
    assert load_model(endpoint, model, 5) == ModelInfo("qwen", "chat", True, 8192, 32768)
    assert server.asked(LOAD_PATH)[0].json == {"model": "qwen"}


def test_loaded_model_is_left_alone(server, endpoint):
    server.on("/api/v1/models", listing(WARM))
    (model,) = list_models(endpoint).models
    assert load_model(endpoint, model, 5) is model
    assert server.asked(LOAD_PATH) == []


def test_server_that_cannot_load_on_request_is_not_asked(server, endpoint):
    server.on("/api/v0/models", as_json({"data": [
        {"id": "qwen", "type": "llm", "state": "not-loaded", "max_context_length": 4096}]}))  # fmt: skip
    (model,) = list_models(endpoint).models
    assert load_model(endpoint, model, 5) is model
    assert server.asked(LOAD_PATH) == []


def test_refusal_to_load_leaves_it_to_the_first_request(server, endpoint):
    told = []
    endpoint.on_wait = lambda what, seconds: told.append(what)
    server.on("/api/v1/models", listing(COLD))
    server.on(LOAD_PATH, as_json({"error": {"message": "insufficient memory"}}, 400))
    (model,) = list_models(endpoint).models
    assert load_model(endpoint, model, 5) is model
    assert "insufficient memory" in told[-1]


def test_slow_load_is_told_and_ends_at_its_limit(server, endpoint):
    told = []
    endpoint.on_wait = lambda what, seconds: told.append((what, seconds))
    gate = threading.Event()
    server.on("/api/v1/models", listing(COLD))
    server.on(LOAD_PATH, lambda _: (gate.wait(4), as_json({"status": "loaded"}))[1])
    (model,) = list_models(endpoint).models
    with pytest.raises(ServerBusy, match="within 1.5 seconds") as caught:
        load_model(endpoint, model, 1.5)
    gate.set()
    assert "RAG_LOAD_TIMEOUT_SECONDS" in caught.value.hint
    assert len(told) >= 2
    assert "loads qwen" in told[0][0]
