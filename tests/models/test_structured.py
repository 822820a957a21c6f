import contextlib
import json
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest
from fault_server import FaultServer, Reply, as_json, chunk, sse
from hypothesis import given
from hypothesis import strategies as st

from rag.models.base.errors import (
    AuthenticationFailed,
    BadResponse,
    ContextOverflow,
    EndpointError,
    EndpointUnreachable,
    ModelUnavailable,
    RequestRefused,
)
from rag.models.base.messages import Message
from rag.models.base.messages import Reply as Answer
from rag.models.chat.structured import ask_for_json
from rag.models.endpoint import Endpoint, Timeouts

SCHEMA = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "description": "standing alone"},
        "score": {"type": "integer", "minimum": 0, "maximum": 3},
        "kind": {"enum": ["fact", "list", None]},
        "words": {"type": "array", "items": {"type": "string"}},
        "level": {"enum": [1, 2]},
        "ratio": {"type": ["number", "null"]},
    },
    "required": ["question"],
    "additionalProperties": False,
}
MESSAGES = [Message("system", "You condense."), Message("user", "And its price?")]
GOOD = {"question": "What is the price of the pump?"}
PATH = "/v1/chat/completions"


class Scripted:
    """A `send` that answers with the next of its answers, texts or errors."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def __call__(self, messages, max_tokens, response_format):
        self.calls.append((tuple(messages), max_tokens, response_format))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Answer) else Answer(answer, "stop")


def ask(*answers, schema=SCHEMA, messages=MESSAGES):
    send = Scripted(*answers)
    return ask_for_json(send, messages, schema, 100), send.calls


def test_schema_goes_along_as_response_format_and_in_words():
    value, calls = ask(json.dumps(GOOD))
    assert value == GOOD
    [(messages, max_tokens, response_format)] = calls
    assert max_tokens == 100
    assert response_format == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
    }
    assert messages[0] == MESSAGES[0]
    assert messages[1].content.startswith("And its price?\n\n")
    assert json.dumps(SCHEMA) in messages[1].content


READABLE = {
    "as it is": '{"question": "q"}',
    "with space": '\n {"question": "q"}\n\n',
    "fence": '```json\n{"question": "q"}\n```',
    "words around": 'Here it is: {"question": "q"} I hope it helps {you}.',
    "not JSON first": 'For {x} in [1] I say {"question": "q"}',
    "format shown first": 'The form is {"type": "object"}, so: {"question": "q"}',
    "thought": '<think>Maybe {"question": "no"}</think>\n{"question": "q"}',
    "unopened thought": 'Maybe {"question": "no"}</think>{"question": "q"}',
    "JSON, then the end of a thought": '{"question": "no"}</think>{"question": "q"}',
    "harmony": '<|channel|>analysis<|message|>{"question": "no"}<|end|><|start|>assistant'
    '<|channel|>final <|constrain|>json<|message|>{"question": "q"}<|return|>',
    "trailing comma": '{"question": "q",\n}',
    "trailing commas inside": '{"question": "q", "words": ["a", "b", ], }',
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_object_is_found_whatever_stands_around_it(text):
    value, calls = ask(text)
    assert value["question"] == "q"
    assert len(calls) == 1


@pytest.mark.parametrize("said", ["a </think> b", "x,}", 'say "yes",] now', "<think>", "\n,\n}"])
def test_strings_of_the_object_are_never_changed(said):
    assert ask(json.dumps({"question": said}))[0] == {"question": said}
    mended = json.dumps({"question": said})[:-1] + ",}"
    if "think" not in said:
        assert ask(mended)[0] == {"question": said}


@pytest.mark.parametrize("said", ["use </think> here", "<think>", "a <think> b </think> c"])
@pytest.mark.parametrize(
    "form", ["```json\n{}\n```", "```\n{}```", "Here it is: {} I hope it helps.", "{} {}"]
)
def test_tags_inside_strings_of_the_object_end_no_thought(form, said):
    wanted = {"question": said}
    assert ask(form.replace("{}", json.dumps(wanted))) == (wanted, ask(json.dumps(wanted))[1])


@pytest.mark.parametrize(
    "text",
    [
        '<think>```json\n{"question": "no </think>"}\n```</think>```json\n{"question": "q"}\n```',
        '```json\n{"question": "no"}\n```\n</think>\n```json\n{"question": "q"}\n```',
        '</think>{"question": "q"}',
    ],
)
def test_fenced_object_inside_a_thought_is_not_the_answer(text):
    assert ask(text)[0]["question"] == "q"


UNFIT = {
    "prose": ("I would say yes.", "no JSON object"),
    "a list": ('["q"]', "no JSON object"),
    "cut off": ('{"question": "q', "no JSON object"),
    "not a number of JSON": ('{"question": "q", "ratio": NaN}', "no JSON object"),
    "true is not 1": ('{"question": "q", "level": true}', "must be one of [1, 2]"),
    "missing": ('{"score": 1}', 'lacks "question"'),
    "wrong type": ('{"question": 5}', '"question" in the answer must be of type string'),
    "true is no number": ('{"question": "q", "score": true}', "must be of type integer"),
    "no whole number": ('{"question": "q", "score": 1.5}', "must be of type integer"),
    "too small": ('{"question": "q", "score": -1}', "must not be less than 0"),
    "too large": ('{"question": "q", "score": 4}', "must not be more than 3"),
    "other word": ('{"question": "q", "kind": "essay"}', 'must be one of ["fact", "list", null]'),
    "item": ('{"question": "q", "words": ["a", 1]}', '"words" in the answer[1] must be of type'),
    "more": ('{"question": "q", "answer": 1}', 'must not have "answer"'),
    "two types": ('{"question": "q", "ratio": "x"}', "must be of type number or null"),
    "deep": ("{" * 10 + '"a":' + "[" * 100_000, "no JSON object"),
}


@pytest.mark.parametrize(("text", "problem"), UNFIT.values(), ids=UNFIT.keys())
def test_answer_that_does_not_fit_is_repaired_once(text, problem):
    value, calls = ask(text, json.dumps(GOOD))
    assert value == GOOD
    assert len(calls) == 2
    first, again = calls[0][0], calls[1][0]
    assert again[:2] == first
    assert again[2] == Message("assistant", text[:2000])
    assert again[3].role == "user"
    assert problem in again[3].content
    assert calls[1][2] == calls[0][2]


@pytest.mark.parametrize(("text", "problem"), UNFIT.values(), ids=UNFIT.keys())
def test_answer_that_never_fits_is_an_error_with_a_hint(text, problem):
    with pytest.raises(BadResponse) as caught:
        ask(text, text)
    assert problem in caught.value.message
    assert "\n" not in caught.value.message
    assert "larger chat model" in caught.value.hint


@pytest.mark.parametrize(
    "value",
    [
        {"question": "q", "score": 3, "kind": None, "words": [], "ratio": None},
        {"question": "", "score": 0, "kind": "list", "words": ["a"], "ratio": 0.5},
        {"question": "q", "score": 2.0, "ratio": 7},
    ],
)
def test_whole_answer_that_fits_is_returned(value):
    assert ask(json.dumps(value))[0] == value


def test_nested_objects_are_checked():
    inner = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": inner}},
              "additionalProperties": {"type": "boolean"}}  # fmt: skip
    assert ask('{"a": [{"id": 1}], "b": true}', schema=schema)[0]["b"] is True
    for wrong in ('{"a": [{}]}', '{"a": [{"id": "1"}]}', '{"b": 1}'):
        with pytest.raises(BadResponse):
            ask(wrong, wrong, schema=schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "minProperties": 1},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}},
        {"type": "object", "properties": {"a": {"items": {"$ref": "#"}}}},
        {"type": "object", "additionalProperties": {"anyOf": []}},
        {"type": "map"},
        {"type": "object", "properties": {"a": "string"}},
    ],
)
def test_schema_with_words_that_are_not_checked_is_refused(schema):
    with pytest.raises(ValueError, match="schema"):
        ask("{}", schema=schema)


def test_cut_off_answer_is_asked_for_with_twice_the_tokens():
    value, calls = ask(Answer('{"question": "q"', "length"), json.dumps(GOOD))
    assert value == GOOD
    assert [tokens for _, tokens, _ in calls] == [100, 200]


def test_object_of_a_cut_off_answer_is_not_trusted():
    _, calls = ask(Answer('Say: {"question": "no"} or', "length"), json.dumps(GOOD))
    assert len(calls) == 2


def test_answer_that_is_cut_off_twice_names_the_remedy():
    cut = Answer('{"question": "q"', "length")
    with pytest.raises(BadResponse, match="cut off after 200 tokens") as caught:
        ask(cut, cut)
    assert "RAG_ANSWER_TOKENS" in caught.value.hint


def test_four_requests_are_the_most():
    cut = Answer("{", "length")
    with pytest.raises(BadResponse, match="cut off"):
        ask(RequestRefused("no response_format here"), cut, "prose", cut, "never asked")
    send = Scripted(RequestRefused("no response_format here"), cut, "prose", "prose")
    with pytest.raises(BadResponse, match="no JSON object"):
        ask_for_json(send, MESSAGES, SCHEMA, 100)
    assert send.answers == []


@pytest.mark.parametrize("text", ["", " \n", "<think>It should be"])
def test_answer_of_only_thinking_is_asked_for_again(text):
    thinking = Answer(text, "stop", reasoning='{"question": "never from here"}')
    value, calls = ask(thinking, json.dumps(GOOD))
    assert value == GOOD
    assert [message.role for message in calls[1][0]] == ["system", "user"]
    assert "without thinking" in calls[1][0][-1].content
    with pytest.raises(BadResponse, match="only thinking") as caught:
        ask(thinking, thinking)
    assert "switch thinking off" in caught.value.hint


def test_object_written_where_thinking_belongs_is_asked_for_without_a_grammar():
    _, calls = ask(Answer("", "stop", reasoning=json.dumps(GOOD)), json.dumps(GOOD))
    assert calls[0][2] is not None
    assert calls[1][2] is None


def test_roles_alternate_after_an_assistant_turn():
    messages = [Message("user", "Hi"), Message("assistant", "Hello")]
    _, calls = ask("prose", json.dumps(GOOD), messages=messages)
    roles = [message.role for message in calls[1][0]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]


@pytest.mark.parametrize(
    "error",
    [
        ContextOverflow("the grammar exceeds the context length"),
        ModelUnavailable("no model for json_schema"),
        AuthenticationFailed("response_format needs a key"),
        RequestRefused("temperature must be positive"),
        EndpointError("status 500", retryable=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_are_passed_on(error):
    with pytest.raises(type(error)):
        ask(error, json.dumps(GOOD))


@given(st.text(st.sampled_from('{}[]",:\\ \n1aé<>`') | st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_an_object_or_an_error(text):
    with contextlib.suppress(BadResponse):
        value, _ = ask(text, text)
        assert isinstance(value["question"], str)


# Over the wire, through the real client.


@pytest.fixture
def server():
    with FaultServer().running() as running:
        yield running


def completion(text, finish="stop", **message):
    """An answer as it is streamed, in two pieces; `message` is what else the server says."""
    half = len(text or "") // 2
    pieces = [text[:half], text[half:]] if text else [text]
    more = [chunk(**{key: value}) for key, value in message.items()]
    events = [{**chunk(), "choices": [{"index": 0, "delta": {"content": piece}}]}
              for piece in pieces]  # fmt: skip
    return sse(*more, *events, chunk(finish=finish))


def whole(text, finish="stop", **message):
    """An answer of a server that does not stream, though it was asked to."""
    choice = {"index": 0, "finish_reason": finish,
              "message": {"role": "assistant", "content": text, **message}}  # fmt: skip
    return as_json({"id": "x", "object": "chat.completion", "created": 0, "model": "stub",
                    "choices": [choice]})  # fmt: skip


def ask_server(server):
    endpoint = Endpoint(server.url, "k", Timeouts(response=10, retry=0.01))
    with closing(endpoint):
        return ask_for_json(partial(endpoint.complete, "m"), MESSAGES, SCHEMA, 100)


@pytest.mark.parametrize("answer", [completion, whole])
def test_schema_that_is_honoured_costs_one_request_and_thinking_is_off(server, answer):
    server.on(PATH, answer(json.dumps(GOOD)))
    assert ask_server(server) == GOOD
    [request] = server.asked(PATH)
    sent = request.json
    assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert (sent["max_tokens"], sent["temperature"]) == (100, 0.0)
    assert sent["reasoning_effort"] == "none"
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_object_is_found_on_the_wire_whatever_stands_around_it(server, text):
    server.on(PATH, completion(text))
    assert ask_server(server)["question"] == "q"
    assert len(server.asked(PATH)) == 1


def test_object_inside_a_thought_is_never_the_answer(server):
    thought = '<think>It could be {"question": "no"}, or not.</think>'
    server.on(PATH, completion(thought), completion(json.dumps(GOOD)))
    assert ask_server(server) == GOOD
    assert "without thinking" in server.asked(PATH)[1].json["messages"][-1]["content"]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_beside_the_answer_does_no_harm(server, field):
    server.on(PATH, completion(json.dumps(GOOD), **{field: '{"question": "no"}'}))
    assert ask_server(server) == GOOD
    assert len(server.asked(PATH)) == 1


REFUSALS = {
    "LM Studio": as_json({"error": "'response_format.type' must be 'json_schema' or 'text'"}, 400),
    "LM Studio, schema": as_json(
        {"error": "'response_format.json_schema.schema' must be an object"}, 400
    ),
    "LM Studio, grammar": as_json(
        {"error": {"code": 400, "type": "invalid_request_error",
                   "message": "Failed to initialize samplers: failed to parse grammar"}}, 400
    ),
    "llama-cpp-python": as_json(
        {"error": {"message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', "
                   "'type'), 'msg': \"Input should be 'text' or 'json_object'\", "
                   "'input': 'json_schema'}] /app/errors.py", "type": "internal_server_error"}}, 500
    ),
    "FastAPI": as_json({"detail": [{"msg": "Input should be 'text' or 'json_object'",
                                    "loc": ["body", "response_format", "type"]}]}, 422),
    "transformers": as_json({"detail": "Unexpected fields in the request: response_format"}, 422),
    "LiteLLM": as_json(
        {"error": {"message": "litellm.UnsupportedParamsError: x does not support parameters: "
                   "['response_format'], for model=m", "code": "400"}}, 400
    ),
    "plain text": Reply(b"json_schema is not supported", 400, {"Content-Type": "text/plain"}),
}  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_server_that_refuses_the_format_is_asked_without_it(server, refusal):
    def answer(request):
        refused = "response_format" in request.json
        return refusal if refused else completion(json.dumps(GOOD))

    server.on(PATH, answer)
    assert ask_server(server) == GOOD
    first, *others = (request.json for request in server.asked(PATH))
    assert first["response_format"]["type"] == "json_schema"
    # One that speaks of unknown fields is asked once more without those that are optional.
    assert len(others) <= 2
    assert "response_format" not in others[-1]
    assert json.dumps(SCHEMA) in others[-1]["messages"][-1]["content"]


def test_server_that_knows_none_of_the_fields_is_asked_with_none_of_them(server):
    """As transformers does: one list of all the fields that it does not know."""
    optional = {"response_format", "reasoning_effort", "chat_template_kwargs"}

    def answer(request):
        unknown = sorted(optional & request.json.keys())
        if unknown:
            return as_json({"detail": f"Unexpected fields in the request: {unknown}"}, 422)
        return completion(json.dumps(GOOD))

    server.on(PATH, answer)
    assert ask_server(server) == GOOD
    assert len(server.asked(PATH)) <= 4


def test_json_object_is_never_sent(server):
    server.on(PATH, REFUSALS["llama-cpp-python"], completion("prose"), completion(json.dumps(GOOD)))
    assert ask_server(server) == GOOD
    formats = [request.json.get("response_format") for request in server.asked(PATH)]
    assert [f and f["type"] for f in formats] == ["json_schema", None, None]


@pytest.mark.parametrize("answer", [completion, whole])
def test_server_that_ignores_the_format_is_repaired(server, answer):
    server.on(PATH, answer("Sure! What would you like?"), answer(json.dumps(GOOD)))
    assert ask_server(server) == GOOD
    assert len(server.asked(PATH)) == 2


@pytest.mark.parametrize("answer", [completion, whole])
@pytest.mark.parametrize("content", ["", None])
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_object_in_the_reasoning_field_is_never_the_answer(server, answer, content, field):
    server.on(PATH, answer(content, **{field: json.dumps({"question": "no"})}),
              answer(json.dumps(GOOD)))  # fmt: skip
    assert ask_server(server) == GOOD
    assert "response_format" not in server.asked(PATH)[1].json


@pytest.mark.parametrize("answer", [completion, whole])
@pytest.mark.parametrize("content", ["", None])
def test_no_content_at_all_is_an_error_with_a_hint(server, answer, content):
    server.on(PATH, lambda _request: answer(content))
    with pytest.raises(BadResponse) as caught:
        ask_server(server)
    assert caught.value.hint
    assert "None" not in caught.value.message


def test_length_on_the_wire_doubles_max_tokens(server):
    server.on(PATH, completion('{"question": "q', "length"), completion(json.dumps(GOOD)))
    assert ask_server(server) == GOOD
    assert [request.json["max_tokens"] for request in server.asked(PATH)] == [100, 200]


def test_answer_that_broke_off_is_never_read_as_whole(server):
    broken = sse(chunk('{"question": "q", "kind": '), done=False)
    server.on(PATH, broken, completion(json.dumps(GOOD)))
    assert ask_server(server) == GOOD
    assert len(server.asked(PATH)) == 2


def test_connection_that_breaks_in_mid_answer_is_an_error(server):
    server.on(PATH, replace(sse(chunk(json.dumps({"question": "no"})), done=False), fault="reset"))
    with pytest.raises(EndpointUnreachable):
        ask_server(server)
