"""Models made sure of before each use, on a simulated LM Studio; keys, contexts, memory."""

import json

import pytest
from fault_server import FaultServer, as_json, chunk, embedding_rows, sse
from lm_studio import LMStudio, Model, embedding_model

from ingest.tokens import count_tokens
from rag.models.base.errors import ModelUnavailable, OnlyThought
from rag.pipeline import Pipeline
from rag.settings import Settings

EMBEDDER, CHAT = "text-embedding-nomic-embed-text-v1.5", "phi-4"


@pytest.fixture
def folder(tmp_path):
    documents = tmp_path / "documents"
    documents.mkdir()
    for number in range(12):
        text = f"# Part {number}\n\n" + f"The bolt of part {number} is tightened to 22 Nm. " * 20
        (documents / f"{number}.md").write_text(text, encoding="utf-8")
    return documents


@pytest.fixture
def pipeline(tmp_path, folder):
    def make(url, **given):
        index = tmp_path / "index"
        return Pipeline(Settings.load({"endpoint": url, "index_dir": index, **given}))

    return make


def loads(studio) -> list[str]:
    return [event for event in studio.events if event.split()[0] in ("load", "unload", "evict")]


def test_both_models_are_loaded_once_where_memory_has_room(pipeline, folder):
    studio = LMStudio([embedding_model(), Model(CHAT)])
    with studio.running(), pipeline(studio.url) as program:
        program.ingest(folder)
        program.ask("How tight is the bolt of part 3?")
        program.ask("How tight is the bolt of part 4?")
    assert loads(studio) == [f"load {EMBEDDER}", f"load {CHAT}"]


def test_prepared_questions_need_one_change_of_models_only(pipeline, folder):
    studio = LMStudio([embedding_model(), Model(CHAT)], room=1)
    questions = [f"How tight is the bolt of part {number}?" for number in range(3)]
    with studio.running(), pipeline(studio.url) as program:
        program.ingest(folder)
        program.prepare(questions)
        answers = [program.ask(question) for question in questions]
    assert all(answer.citations for answer in answers)
    assert loads(studio) == [f"load {EMBEDDER}", f"unload {EMBEDDER}", f"load {CHAT}"]


def test_questions_that_were_not_prepared_take_turns(pipeline, folder):
    studio = LMStudio([embedding_model(), Model(CHAT)], room=1)
    with studio.running(), pipeline(studio.url) as program:
        program.ingest(folder)
        for number in range(2):
            assert program.ask(f"How tight is the bolt of part {number}?").citations
    assert loads(studio).count(f"load {CHAT}") == 2
    assert loads(studio).count(f"load {EMBEDDER}") == 2


def test_context_set_is_what_is_loaded(pipeline, folder):
    studio = LMStudio([embedding_model(), Model(CHAT)])
    with studio.running(), pipeline(studio.url, context_tokens=6000) as program:
        program.ingest(folder)
        program.ask("How tight is the bolt of part 3?")
    (chat,) = [i for i in studio.instances if i.model.key == CHAT]
    assert chat.context == 6000


def test_model_unloaded_between_two_questions_is_loaded_again(pipeline, folder):
    studio = LMStudio([embedding_model(), Model(CHAT)], jit=False)
    with studio.running(), pipeline(studio.url) as program:
        program.ingest(folder)
        program.ask("How tight is the bolt of part 3?")
        studio.unload(EMBEDDER)
        studio.unload(CHAT)
        assert program.ask("How tight is the bolt of part 5?").citations


def test_self_check_is_made_once_and_remembered(pipeline, folder):
    studio = LMStudio([embedding_model(), Model(CHAT)])
    with studio.running():
        with pipeline(studio.url) as program:
            program.ingest(folder)
        first = len(studio.server.asked("/v1/embeddings"))
        with pipeline(studio.url) as program:
            program.ingest(folder)
        assert len(studio.server.asked("/v1/embeddings")) == first + 1


def test_each_server_gets_its_own_key(tmp_path, folder):
    with FaultServer().running() as embedding, FaultServer().running() as chat:
        rows = lambda r: as_json({"data": embedding_rows(vectors(r.json["input"]))})  # noqa: E731
        embedding.on("/v1/models", as_json({"data": [{"id": "text-embedding-x"}]}))
        embedding.on("/v1/embeddings", rows)
        chat.on("/v1/models", as_json({"data": [{"id": "chat-y"}]}))
        chat.on("/v1/chat/completions", lambda _: sse(chunk("22 Nm [1]."), chunk("", "stop")))
        settings = Settings.load(
            {
                "embedding_endpoint": embedding.url, "embedding_api_key": "for-vectors",
                "chat_endpoint": chat.url, "chat_api_key": "for-words",
                "api_key": "for-nobody", "index_dir": tmp_path / "index",
            }
        )  # fmt: skip
        with Pipeline(settings) as program:
            program.ingest(folder)
            program.ask("How tight is the bolt of part 3?")
    sent = [{r.headers["authorization"] for r in s.requests} for s in (embedding, chat)]
    assert sent == [{"Bearer for-vectors"}, {"Bearer for-words"}]


def vectors(texts):
    return [[1 + text.count(letter) for letter in "etaoinshrdlu0123456789"] for text in texts]


def thinking_server(replies):
    server = FaultServer()
    server.on("/v1/models", as_json({"data": [{"id": "text-embedding-x"}, {"id": "chat-y"}]}))
    server.on(
        "/v1/embeddings",
        lambda r: as_json({"data": embedding_rows(vectors(r.json["input"]))}),
    )
    server.on("/v1/chat/completions", *replies)
    return server


THOUGHT = sse(chunk(reasoning_content="Let me see."), chunk("", "stop"))


def test_answer_that_is_all_thought_is_asked_for_again_without_thinking(pipeline, folder):
    server = thinking_server([THOUGHT, sse(chunk("It is 22 Nm [1]."), chunk("", "stop"))])
    with server.running(), pipeline(server.url) as program:
        program.ingest(folder)
        answer = program.ask("How tight is the bolt of part 3?")
        first, second = (r.json for r in server.asked("/v1/chat/completions"))
    assert "reasoning_effort" not in first
    assert second["reasoning_effort"] == "none"
    assert answer.text == "It is 22 Nm [1]."
    assert any("thinking" in note for note in answer.notes)


def test_answer_that_stays_all_thought_is_an_error(pipeline, folder):
    server = thinking_server([THOUGHT])
    with server.running(), pipeline(server.url) as program:
        program.ingest(folder)
        with pytest.raises(OnlyThought):
            program.ask("How tight is the bolt of part 3?")
        assert len(server.asked("/v1/chat/completions")) == 2


def test_what_usage_tells_is_remembered_for_the_next_process(pipeline, folder, tmp_path):
    def reply(request):
        counted = sum(count_tokens(message["content"]) for message in request.json["messages"])
        usage = {"prompt_tokens": round(1.1 * counted), "completion_tokens": 5}
        return sse(chunk("It is 22 Nm [1]."), {**chunk("", "stop"), "usage": usage})

    server = thinking_server([reply])
    with server.running():
        with pipeline(server.url) as program:
            program.ingest(folder)
            for number in range(5):
                program.ask(f"How tight is the bolt of part {number}?")
            learned = program.models.chat().counter.ratio
        with pipeline(server.url) as program:
            assert program.models.chat().counter.ratio == pytest.approx(learned, rel=1e-3)
            assert program.models.chat().counter.source == "usage"
    kept = json.loads((tmp_path / "index" / "models.json").read_text(encoding="utf-8"))
    assert not [word for word in ("bolt", "tighten", "lm-studio") if word in json.dumps(kept)]


def test_helper_calls_get_an_object_without_thinking(pipeline):
    reply = sse(chunk('{"question": "How tight?"}'), chunk("", "stop"))
    server = thinking_server([reply])
    schema = {"type": "object", "properties": {"question": {"type": "string"}}}
    with server.running(), pipeline(server.url) as program:
        from rag.models.base.messages import Message

        asked = [Message("user", "Condense.")]
        found = program.models.chat().ask_for_json(asked, schema, 100)
        (request,) = server.asked("/v1/chat/completions")
    assert found == {"question": "How tight?"}
    assert request.json["response_format"]["type"] == "json_schema"
    assert request.json["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize("crashes", [False, True], ids=["gave way", "crashed"])
def test_context_a_person_chose_is_kept_when_the_model_is_loaded_again(pipeline, folder, crashes):
    studio = LMStudio([embedding_model(), Model(CHAT)], room=None if crashes else 1)
    with studio.running():
        with pipeline(studio.url) as program:
            program.ingest(folder)
        studio.instances.clear()
        studio.load(CHAT, 12_000)
        with pipeline(studio.url) as program:
            program.ask("How tight is the bolt of part 3?")
            if crashes:
                studio.unload(CHAT)
                program.ask("How tight is the bolt of part 4?")
        (chat,) = [i for i in studio.instances if i.model.key == CHAT]
    assert chat.context == 12_000


def test_model_that_a_restarted_server_does_not_have_is_told(pipeline, folder):
    studio = LMStudio([embedding_model(), Model(CHAT)])
    with studio.running(), pipeline(studio.url) as program:
        program.ingest(folder)
        program.ask("How tight is the bolt of part 3?")
        studio.models[1:] = [Model("qwen3-8b")]
        studio.instances.clear()
        with pytest.raises(ModelUnavailable, match="does not offer phi-4 any more"):
            program.ask("How tight is the bolt of part 3?")
        program.close()
        assert program.ask("How tight is the bolt of part 3?").model == "qwen3-8b"


def test_server_that_will_not_load_is_told_before_anything_is_asked(pipeline, folder):
    studio = LMStudio([embedding_model(), Model(CHAT)], version="0.3", jit=False)
    with studio.running(), pipeline(studio.url) as program:
        with pytest.raises(ModelUnavailable, match="is not loaded") as caught:
            program.ingest(folder)
        assert "lms load" in caught.value.hint
        assert studio.server.asked("/v1/embeddings") == []
