import subprocess
import sys
import threading
import time

import pytest
from fault_server import as_json
from lm_studio import LMStudio, Model, embedding_model

from rag.models.base.errors import EndpointUnreachable, ModelUnavailable, ServerBusy
from rag.models.base.messages import Message
from rag.models.choose import choose_chat, choose_embedding
from rag.models.discover import ModelInfo, list_models
from rag.models.endpoint import Endpoint, Timeouts
from rag.models.loading import LOAD_PATH, load_again, load_model, look_again, wake_model

COLD = {"type": "llm", "key": "qwen", "max_context_length": 32768, "loaded_instances": []}
WARM = {**COLD, "loaded_instances": [{"id": "qwen", "config": {"context_length": 8192}}]}


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
    assert "may still be loading" in caught.value.message
    assert "rag models" in caught.value.hint
    assert "RAG_LOAD_TIMEOUT_SECONDS" in caught.value.hint
    assert len(told) >= 2
    assert "loads qwen" in told[0][0]


def test_busy_server_is_asked_again_until_it_loads(server, endpoint):
    server.on("/api/v1/models", listing(COLD), listing(COLD), listing(WARM))
    busy = as_json({"error": {"message": "Loading model"}}, 503)
    busy.headers["Retry-After"] = "0.05"
    server.on(LOAD_PATH, busy, busy, as_json({"status": "loaded", "instance_id": "qwen"}))
    (model,) = list_models(endpoint).models
    assert load_model(endpoint, model, 5).loaded
    assert len(server.asked(LOAD_PATH)) == 3


def test_busy_server_is_given_up_at_the_limit(server, endpoint):
    server.on("/api/v1/models", listing(COLD))
    server.on(LOAD_PATH, as_json({"error": {"message": "Loading model"}}, 503))
    (model,) = list_models(endpoint).models
    started = time.monotonic()
    with pytest.raises(ServerBusy, match="within 0.3 seconds"):
        load_model(endpoint, model, 0.3)
    assert time.monotonic() - started < 2


# ---- a server that acts like LM Studio

PHI, NOMIC, MISTRAL = Model("phi-4"), embedding_model(), Model("mistralai/mistral-7b")


@pytest.fixture
def start(request):
    def start(**switches):
        studio = LMStudio([PHI, NOMIC, MISTRAL], **switches)
        running = studio.running()
        running.__enter__()
        request.addfinalizer(lambda: running.__exit__(None, None, None))
        endpoint = Endpoint(studio.url, "k", Timeouts(response=5, retry=0.01, load=1))
        request.addfinalizer(endpoint.close)
        told: list[str] = []
        endpoint.on_wait = lambda what, _seconds: told.append(what)
        return studio, endpoint, told

    return start


def chosen(endpoint):
    """The embedding model and the chat model."""
    offer = list_models(endpoint)
    return choose_embedding(offer, None).model, choose_chat(offer, "phi-4").model


def test_both_models_stay_loaded_where_memory_has_room(start):
    studio, endpoint, told = start()
    embedding, chat = chosen(endpoint)
    embedding = load_model(endpoint, embedding, 5, others=[chat])
    chat = load_model(endpoint, chat, 5, others=[embedding])
    assert (embedding.loaded, embedding.context_tokens) == (True, 2048)
    assert (chat.loaded, chat.context_tokens, chat.parallel) == (True, 4096, 4)
    assert studio.events == [f"load {NOMIC.key}", "load phi-4"]
    assert not any("no room" in what for what in told)


@pytest.mark.parametrize("status", [400, 500])
def test_models_take_turns_where_memory_has_room_for_one(start, status):
    studio, endpoint, told = start(room=1, no_room_status=status)
    embedding, chat = chosen(endpoint)
    load_model(endpoint, embedding, 5, others=[chat])
    endpoint.embed(embedding.id, ["a question"])
    assert load_model(endpoint, chat, 5, others=[embedding]).loaded
    assert [i.id for i in studio.instances] == ["phi-4"]
    assert f"no room for both; {NOMIC.key} is unloaded for phi-4" in " ".join(told)
    again = load_again(endpoint, embedding.id, 5, others=[chat])
    assert again.loaded
    assert [e for e in studio.events if e.split()[0] in ("load", "unload", "refuse")] == [
        f"load {NOMIC.key}",
        "refuse phi-4", f"unload {NOMIC.key}", "load phi-4",
        f"refuse {NOMIC.key}", "unload phi-4", f"load {NOMIC.key}",
    ]  # fmt: skip


def test_model_of_someone_else_is_never_unloaded(start):
    studio, endpoint, told = start(room=1)
    studio.load(MISTRAL.key)
    embedding, chat = chosen(endpoint)
    assert load_model(endpoint, embedding, 5, others=[chat]) == embedding
    assert [i.id for i in studio.instances] == [MISTRAL.key]
    assert "insufficient system resources" in told[-1]
    assert not any(event.startswith("unload") for event in studio.events)


def test_refusal_that_is_not_for_memory_unloads_nothing(start):
    studio, endpoint, told = start()
    embedding, chat = chosen(endpoint)
    load_model(endpoint, embedding, 5)
    studio.server.on(LOAD_PATH, as_json({"error": {"message": "corrupt file"}}, 500))
    assert load_model(endpoint, chat, 5, others=[embedding]) == chat
    assert [i.id for i in studio.instances] == [NOMIC.key]
    assert "corrupt file" in told[-1]


def test_context_that_is_set_is_asked_for(start):
    studio, endpoint, _ = start()
    _, chat = chosen(endpoint)
    assert load_model(endpoint, chat, 5, context_tokens=8192).context_tokens == 8192
    assert studio.server.asked(LOAD_PATH)[0].json == {"model": "phi-4", "context_length": 8192}


def test_model_loaded_meanwhile_is_not_loaded_twice(start):
    studio, endpoint, _ = start()
    _, chat = chosen(endpoint)
    studio.load("phi-4", 2000)
    assert load_model(endpoint, chat, 5).context_tokens == 2000
    assert len(studio.instances) == 1


def test_slow_load_is_waited_for(start):
    _, endpoint, told = start(load_seconds=1.2)
    _, chat = chosen(endpoint)
    assert load_model(endpoint, chat, 5).loaded
    assert sum("loads phi-4" in what for what in told) == 2


@pytest.mark.parametrize("name", ["phi-4", "phi-4:2"])
def test_model_that_crashed_is_loaded_again(start, name):
    studio, endpoint, _ = start()
    for _ in range(2):
        studio.load("phi-4")
    for instance in list(studio.instances):
        studio.unload(instance.id, "crash")
    again = load_again(endpoint, name, 5)
    assert (again.id, again.loaded) == ("phi-4", True)
    assert studio.events[-1] == "load phi-4"
    assert load_again(endpoint, name, 5) == again
    assert len(studio.instances) == 1
    assert load_again(endpoint, "unheard-of", 5) is None


def test_older_server_loads_by_the_first_request_and_is_read_anew(start):
    studio, endpoint, _ = start(version="0.3")
    embedding, _ = chosen(endpoint)
    assert load_model(endpoint, embedding, 5) == embedding
    assert load_again(endpoint, embedding.id, 5) == embedding
    assert look_again(endpoint, embedding) == embedding
    assert studio.events == []
    endpoint.embed(embedding.id, ["x"])
    now = look_again(endpoint, embedding)
    assert (now.loaded, now.context_tokens) == (True, 2048)


def test_server_without_descriptions_leaves_the_model_as_it_was(server, endpoint):
    server.on("/v1/models", as_json({"data": [{"id": "other"}]}))
    assert look_again(endpoint, ModelInfo("qwen")) == ModelInfo("qwen")


def test_vanished_server_is_told_at_once(start):
    studio, endpoint, _ = start()
    _, chat = chosen(endpoint)
    gone = Endpoint("http://127.0.0.1:9/v1", "k", Timeouts(response=1, retry=0.01, load=1))
    with pytest.raises(EndpointUnreachable):
        load_model(gone, chat, 5)
    gone.close()
    assert studio.instances == []


LOAD_FOR_EVER = """
import sys, threading, _thread
from rag.models.endpoint import Endpoint
from rag.models.discover import list_models
from rag.models.loading import LOAD_PATH, load_model, wake_model
endpoint = Endpoint(sys.argv[1], "k")
endpoint.on_wait = lambda what, seconds: _thread.interrupt_main()
(model,) = list_models(endpoint).models
try:
    if sys.argv[2] == "wake":
        wake_model(endpoint, model, 300, lambda: endpoint.post(LOAD_PATH, {}))
    load_model(endpoint, model, 300)
except KeyboardInterrupt:
    endpoint.close()
    print("interrupted")
"""


@pytest.mark.parametrize("way", ["wake", "load"])
def test_interrupt_ends_the_program_while_a_load_hangs(server, way):
    gate = threading.Event()
    server.on("/api/v1/models", listing(COLD))
    server.on(LOAD_PATH, lambda _: (gate.wait(30), as_json({"status": "loaded"}))[1])
    command = [sys.executable, "-c", LOAD_FOR_EVER, server.url, way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    gate.set()
    assert (done.stdout.strip(), done.stderr) == ("interrupted", "")


def test_questions_are_answered_in_turns_where_memory_has_room_for_one(start):
    studio, endpoint, _ = start(room=1)
    embedding, chat = chosen(endpoint)
    question = [Message("user", "Is it tight?")]
    for _ in range(2):
        assert load_again(endpoint, embedding.id, 5, others=[chat]).loaded
        assert endpoint.embed(embedding.id, ["bolts"]).shape[0] == 1
        assert load_again(endpoint, chat.id, 5, others=[embedding]).loaded
        deltas = list(endpoint.stream(chat.id, question, 9, 0.0))
        assert "stop" in [delta.finish_reason for delta in deltas]
    assert not any(event.startswith("jit") for event in studio.events)
    assert [event for event in studio.events if event.startswith("unload")] == [
        f"unload {NOMIC.key}", "unload phi-4", f"unload {NOMIC.key}",
    ]  # fmt: skip


def listings(studio):
    return len(studio.server.asked("/api/v1/models"))


def test_load_looks_once_before_and_once_after(start):
    studio, endpoint, _ = start()
    assert load_again(endpoint, "phi-4", 5).loaded
    assert listings(studio) == 2


def test_load_with_a_list_at_hand_looks_only_after(start):
    studio, endpoint, _ = start()
    offer = list_models(endpoint)
    chat = choose_chat(offer, "phi-4").model
    assert load_model(endpoint, chat, 5, offer=offer).loaded
    assert listings(studio) == 2


def test_room_for_one_is_told_once_and_in_order(start):
    _, endpoint, told = start(room=1)
    embedding, chat = chosen(endpoint)
    load_model(endpoint, embedding, 5)
    told.clear()
    load_model(endpoint, chat, 5, others=[embedding])
    assert told == [
        f"{endpoint.host} has no room for both; {NOMIC.key} is unloaded for phi-4",
        f"{endpoint.host} loads phi-4",
    ]


def test_slow_load_beside_another_model_of_ours_is_told_too(start):
    _, endpoint, told = start(load_seconds=1.3)
    embedding, chat = chosen(endpoint)
    load_model(endpoint, embedding, 5)
    told.clear()
    load_model(endpoint, chat, 5, others=[embedding])
    assert told == [f"{endpoint.host} loads phi-4"]


def test_context_asked_for_is_never_more_than_the_model_has(start):
    studio, endpoint, _ = start()
    _, chat = chosen(endpoint)
    assert load_model(endpoint, chat, 5, context_tokens=10**6).context_tokens == 16384
    assert studio.server.asked(LOAD_PATH)[0].json["context_length"] == 16384


def test_load_that_was_given_up_is_waited_for_instead_of_loading_twice(start):
    studio, endpoint, _ = start(load_seconds=1.0)
    _, chat = chosen(endpoint)
    with pytest.raises(ServerBusy):
        load_model(endpoint, chat, 0.2)
    assert load_model(endpoint, chat, 5).loaded
    assert [i.id for i in studio.instances] == ["phi-4"]
    assert len(studio.server.asked(LOAD_PATH)) == 1


def test_two_threads_load_a_model_once(start):
    studio, endpoint, _ = start(load_seconds=0.3)
    _, chat = chosen(endpoint)
    offer = list_models(endpoint)
    loaded = []

    def load():
        loaded.append(load_model(endpoint, chat, 5, offer=offer))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [model.id for model in loaded] == ["phi-4"] * 4
    assert studio.events == ["load phi-4"]


def test_load_that_failed_for_another_is_tried_anew(server, endpoint):
    gate = threading.Event()
    server.on("/api/v1/models", listing(COLD), listing(COLD), listing(COLD), listing(WARM))
    broken = as_json({"error": {"message": "corrupt file"}}, 500)
    server.on(
        LOAD_PATH, lambda _: (gate.wait(5), broken)[1],
        as_json({"status": "loaded", "instance_id": "qwen"}),
    )  # fmt: skip
    (model,) = list_models(endpoint).models
    with pytest.raises(ServerBusy):
        load_model(endpoint, model, 0.1)
    endpoint.on_wait = lambda *_: gate.set()
    assert load_model(endpoint, model, 5).loaded
    assert len(server.asked(LOAD_PATH)) == 2


# ---- a model that only a request loads


def ollama(server, *rows):
    """Ollama with one model, which what is running tells of in turn."""
    server.on("/v1/models", as_json({"data": [{"id": "qwen3:4b", "owned_by": "library"}]}))
    server.on("/api/tags", as_json({"models": [{"name": "qwen3:4b"}]}))
    server.on("/api/ps", *(as_json({"models": list(row)}) for row in rows))


def test_older_lm_studio_is_woken_by_a_request(start):
    _, endpoint, told = start(version="0.3", load_seconds=1.2)
    _, chat = chosen(endpoint)
    now = wake_model(
        endpoint, chat, 5, lambda: endpoint.complete(chat.id, [Message("user", "x")], 1)
    )
    assert (now.id, now.loaded, now.context_tokens) == ("phi-4", True, 4096)
    assert told == [f"{endpoint.host} loads phi-4"] * 2
    assert wake_model(endpoint, now, 5, pytest.fail) is now
    assert wake_model(endpoint, ModelInfo("m"), 5, pytest.fail) == ModelInfo("m")


def test_ollama_is_woken_by_a_request(server, endpoint):
    ollama(server, [], [{"name": "qwen3:4b", "context_length": 4096}])
    (model,) = list_models(endpoint).models
    now = wake_model(endpoint, model, 5, lambda: None)
    assert (now.loaded, now.context_tokens) == (True, 4096)


def test_model_that_cannot_be_woken_is_told_as_the_request_is(start):
    _, endpoint, _ = start(version="0.3", room=0)
    embedding, _ = chosen(endpoint)
    with pytest.raises(ModelUnavailable, match="insufficient system resources"):
        wake_model(endpoint, embedding, 5, lambda: endpoint.embed(embedding.id, ["x"]))


def test_request_that_wakes_ends_at_its_limit_and_is_waited_for_later(server, endpoint):
    ollama(server, [], [{"name": "qwen3:4b", "context_length": 4096}])
    (model,) = list_models(endpoint).models
    gate, asked = threading.Event(), []

    def ask():
        asked.append(1)
        gate.wait(10)

    with pytest.raises(ServerBusy, match="did not load qwen3:4b within 0.3 seconds") as caught:
        wake_model(endpoint, model, 0.3, ask)
    assert "RAG_LOAD_TIMEOUT_SECONDS" in caught.value.hint
    endpoint.on_wait = lambda *_: gate.set()
    assert wake_model(endpoint, model, 5, ask).loaded
    assert len(asked) == 1


def test_model_that_answered_is_loaded_even_if_the_server_stops_listing(endpoint):
    model = ModelInfo("qwen", "chat", loaded=False)
    assert wake_model(endpoint, model, 5, lambda: None).loaded


def test_model_that_is_loaded_costs_one_look(start):
    studio, endpoint, _ = start()
    studio.load("phi-4")
    before = len(studio.server.requests)
    assert load_again(endpoint, "phi-4", 5).loaded
    assert len(studio.server.requests) == before + 1
