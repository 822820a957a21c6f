import time
from functools import partial
from itertools import chain

import pytest
from fault_server import Reply, as_json, as_stream, chunk, sse

from rag.models.base.errors import (
    BadResponse,
    ContextOverflow,
    EndpointUnreachable,
    ModelLost,
    ModelUnavailable,
    RequestRefused,
    ServerBusy,
)
from rag.models.base.messages import Message, Usage
from rag.models.chat.structured import ask_for_json
from rag.models.endpoint import Endpoint, Timeouts
from rag.models.wire.surfaces import shows_life

QUESTION = [Message("user", "What is it?")]


@pytest.fixture
def endpoint(server):
    endpoint = Endpoint(server.url, "lm-studio", Timeouts(response=5, idle=0.5, retry=0.01, load=1))
    yield endpoint
    endpoint.close()


def text_of(deltas) -> str:
    return "".join(delta.text for delta in deltas)


def test_answer_is_streamed_with_usage_and_finish_reason(server, endpoint):
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    end = {**chunk(), "choices": [], "usage": usage}
    server.on("/v1/chat/completions",
              sse(chunk(role="assistant"), chunk("Grüße"), chunk(" dir", "stop"), end))  # fmt: skip
    deltas = list(endpoint.stream("m", QUESTION, 50, 0.5))
    assert text_of(deltas) == "Grüße dir"
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert [delta.usage for delta in deltas if delta.usage] == [Usage(7, 2)]
    sent = server.requests[0].json
    assert (sent["max_tokens"], sent["temperature"], sent["stream"]) == (50, 0.5, True)


def test_first_piece_arrives_before_the_last_is_written(server, endpoint):
    seen: list[str] = []
    observed: list[int] = []

    def pieces():
        yield from sse(chunk("one"), done=False).body
        observed.append(len(seen))
        for _ in range(200):
            if seen:
                break

            time.sleep(0.01)
        observed.append(len(seen))
        yield from sse(chunk(" two", "stop")).body

    server.on(
        "/v1/chat/completions", Reply(pieces(), headers={"Content-Type": "text/event-stream"})
    )
    seen.extend(delta.text for delta in endpoint.stream("m", QUESTION, 5, 0.0))
    assert "".join(seen) == "one two"


def test_split_characters_comments_and_carriage_returns_are_read(server, endpoint):
    raw = b"".join(sse(chunk("Gr\u00fc\u00dfe \u4f60", "stop")).body).replace(b"\n", b"\r\n")
    pieces = [b": ping\r\n\r\n", *(raw[i : i + 1] for i in range(len(raw)))]
    server.on(
        "/v1/chat/completions", Reply(iter(pieces), headers={"Content-Type": "text/event-stream"})
    )
    assert text_of(endpoint.stream("m", QUESTION, 5, 0.0)) == "Grüße 你"


def test_thinking_is_kept_apart_from_the_answer(server, endpoint):
    server.on("/v1/chat/completions",
              sse(chunk(reasoning_content="hm "), chunk(reasoning="well"), chunk("yes", "stop")))  # fmt: skip
    deltas = list(endpoint.stream("m", QUESTION, 5, 0.0))
    assert text_of(deltas) == "yes"
    assert "".join(delta.reasoning for delta in deltas) == "hm well"


def test_stream_that_ends_without_a_finish_reason_is_marked(server, endpoint):
    server.on("/v1/chat/completions", sse(chunk("half an"), done=False))
    deltas = list(endpoint.stream("m", QUESTION, 5, 0.0))
    assert text_of(deltas) == "half an"
    assert deltas[-1].finish_reason == "truncated"


STREAM_FAULTS = {
    "no chunk": (sse(), BadResponse),
    "no /v1": (as_json({"error": "Unexpected endpoint or method. (POST /x)"}), BadResponse),
    "error event, string": (sse(chunk("a"), {"error": "Model unloaded."}), ModelUnavailable),
    "error event, object": (sse(chunk("a"), {"error": {"message": "n_ctx: 4096 n_keep"}}), ContextOverflow),
    "overflow": (as_json({"error": "Trying to keep the first 15857 tokens when context the overflows. "
                          "However, the model is loaded with context length of only 4096 tokens"}, 400),
                 ContextOverflow),
    "broken json": (sse(b"data: {oops\n\n"), BadResponse),
    "busy": (as_json({"error": {"message": "server busy, please try again."}}, 503), ServerBusy),
}  # fmt: skip


@pytest.mark.parametrize(("reply", "kind"), STREAM_FAULTS.values(), ids=STREAM_FAULTS.keys())
def test_fault_in_a_stream_becomes_one_error_with_a_remedy(server, endpoint, reply, kind):
    server.on("/v1/chat/completions", reply)
    with pytest.raises(kind) as caught:
        list(endpoint.stream("m", QUESTION, 5, 0.0))
    assert caught.value.hint


def test_reset_in_the_middle_of_a_stream_is_an_error(server, endpoint):
    reply = sse(chunk("half"), done=False)
    reply.fault = "reset"
    server.on("/v1/chat/completions", reply)
    with pytest.raises(EndpointUnreachable):
        list(endpoint.stream("m", QUESTION, 5, 0.0))


def test_stream_that_falls_silent_is_cut_though_it_pings(server, endpoint):
    def pieces():
        yield from sse(chunk("half an"), done=False).body
        for _ in range(40):
            yield b": ping\n\n"
            time.sleep(0.1)

    server.on(
        "/v1/chat/completions", Reply(pieces(), headers={"Content-Type": "text/event-stream"})
    )
    started = time.monotonic()
    seen = []
    with pytest.raises(EndpointUnreachable, match="sent nothing for 0.5 seconds"):
        seen.extend(endpoint.stream("m", QUESTION, 5, 0.0))
    assert time.monotonic() - started < 3


def test_slow_stream_is_not_cut_while_it_writes(server, endpoint):
    def pieces():
        for word in ["one", "two", "three", "four"]:
            yield from sse(chunk(f"{word} "), done=False).body
            time.sleep(0.3)
        yield from sse(chunk("", "stop")).body

    server.on(
        "/v1/chat/completions", Reply(pieces(), headers={"Content-Type": "text/event-stream"})
    )
    assert text_of(endpoint.stream("m", QUESTION, 5, 0.0)) == "one two three four "


def test_server_that_does_not_stream_is_read_whole(server, endpoint):
    answer = {"model": "m", "choices": [{"index": 0, "finish_reason": "stop",
              "message": {"role": "assistant", "content": "yes"}}]}  # fmt: skip
    server.on("/v1/chat/completions", as_json(answer))
    assert text_of(endpoint.stream("m", QUESTION, 5, 0.0)) == "yes"


def test_unknown_path_in_a_stream_says_what_the_server_said(server, endpoint):
    with pytest.raises(BadResponse, match="Unexpected endpoint") as caught:
        list(endpoint.stream("m", QUESTION, 5, 0.0))
    assert "/v1" in caught.value.hint


NATIVE = {"stats": {"tokens_per_second": 51.4, "time_to_first_token": 0.11, "generation_time": 0.9,
                    "stop_reason": "eosFound"},
          "model_info": {"arch": "phi3", "quant": "Q4_K_M", "format": "gguf", "context_length": 4096},
          "runtime": {"name": "llama.cpp-linux", "version": "1.26.0", "supported_formats": ["gguf"]}}  # fmt: skip


@pytest.mark.parametrize("surface", ["native", "native-completions"])
def test_native_surface_adds_its_statistics(server, endpoint, surface):
    path = {"native": "/api/v0/chat/completions", "native-completions": "/api/v0/completions"}[
        surface
    ]
    piece = (
        chunk("yes")
        if surface == "native"
        else {"choices": [{"index": 0, "text": "yes", "finish_reason": None}]}
    )
    end = {**chunk(finish="stop"), **NATIVE}
    server.on(path, sse(piece, end))
    deltas = list(endpoint.stream("m", QUESTION, 5, 0.0, surface))
    assert text_of(deltas) == "yes"
    (native,) = [delta.native for delta in deltas if delta.native]
    assert (native.tokens_per_second, native.time_to_first_token) == (51.4, 0.11)
    assert (native.architecture, native.quantisation, native.context_tokens) == (
        "phi3",
        "Q4_K_M",
        4096,
    )
    assert (native.runtime, native.stop_reason) == ("llama.cpp-linux 1.26.0", "eosFound")


def test_completions_surface_writes_the_conversation_as_text(server, endpoint):
    event = {"choices": [{"index": 0, "text": "42", "finish_reason": "stop"}], "model": "base"}
    server.on("/v1/completions", sse(event))
    messages = [Message("system", "Rules."), Message("user", "Question: What?")]
    assert text_of(endpoint.stream("base", messages, 5, 0.0, "completions")) == "42"
    assert server.requests[0].json["prompt"] == "Rules.\n\nQuestion: What?\nAnswer:"


def test_responses_surface_is_read_to_its_end(server, endpoint):
    server.on("/v1/responses", sse(
        {"type": "response.created", "response": {"model": "m"}},
        {"type": "response.reasoning_text.delta", "delta": "hm"},
        {"type": "response.output_text.delta", "delta": "forty"},
        {"type": "response.output_text.delta", "delta": "-two"},
        {"type": "response.completed", "response": {
            "model": "m", "usage": {"input_tokens": 9, "output_tokens": 3}}},
        done=False,
    ))  # fmt: skip
    messages = [Message("system", "Rules."), Message("user", "What?")]
    deltas = list(endpoint.stream("m", messages, 5, 0.0, "responses"))
    assert text_of(deltas) == "forty-two"
    assert deltas[-1].finish_reason == "stop"
    assert deltas[-1].usage == Usage(9, 3)
    sent = server.requests[0].json
    assert (sent["instructions"], sent["input"]) == (
        "Rules.",
        [{"role": "user", "content": "What?"}],
    )


def test_failed_response_is_an_error(server, endpoint):
    failed = {"type": "response.failed", "response": {"error": {"message": "No models loaded."}}}
    server.on("/v1/responses", sse(failed, done=False))
    with pytest.raises(ModelUnavailable):
        list(endpoint.stream("m", QUESTION, 5, 0.0, "responses"))


LOADING = as_json(
    {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503
)


def test_loading_is_waited_for_before_a_stream_too(server, endpoint):
    server.on("/v1/chat/completions", LOADING, lambda _: sse(chunk("yes", "stop")))
    assert text_of(endpoint.stream("m", QUESTION, 5, 0.0)) == "yes"


PATH = "/v1/chat/completions"


def say(server, *events, done=True):
    server.on(PATH, sse(*events, done=done))


def ask(endpoint, max_tokens=50, **options):
    return list(endpoint.stream("m", QUESTION, max_tokens, 0.0, **options))


ODD_EVENTS = {
    "delta null": {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
    "choices null": {"choices": None},
    "choices empty": {"choices": []},
    "choice is a word": {"choices": ["x"]},
    "delta is a word": {"choices": [{"delta": "x"}]},
    "usage null": {**chunk(), "usage": None},
    "usage of words": {**chunk(), "usage": {"prompt_tokens": "7"}},
    "error null": {**chunk(), "error": None},
    "content null": chunk(reasoning_content=None, role="assistant", tool_calls=None),
    "finish empty": chunk(finish=""),
    "list": b"data: [1, 2]\n\n",
    "number": b"data: 7\n\n",
    "event id and retry": b"id: 1\nretry: 5\nevent: ping\ndata: {}\n\n",
}


@pytest.mark.parametrize("event", ODD_EVENTS.values(), ids=ODD_EVENTS.keys())
def test_event_without_words_is_passed_over(server, endpoint, event):
    say(server, event, chunk("ye"), event, chunk("s", "stop"), event)
    deltas = ask(endpoint)
    assert text_of(deltas) == "yes"
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]


def test_content_in_parts_is_read_as_text(server, endpoint):
    parts = [{"type": "text", "text": "ye"}, {"type": "thinking", "thinking": []},
             {"type": "text", "text": "s"}, {"type": "image_url"}, "x"]  # fmt: skip
    say(server, chunk(parts, "stop"))
    assert text_of(ask(endpoint)) == "yes"


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(("finish", "told"), [(None, "truncated"), ("stop", "stop")])
def test_only_a_finish_reason_completes_an_answer(server, endpoint, done, finish, told):
    say(server, chunk("half", finish), done=done)
    assert ask(endpoint)[-1].finish_reason == told


WORDLESS = {
    "nothing": sse(),
    "no choices": sse({"choices": []}),
    "only a role": sse(chunk(role="assistant")),
    "json without choices": as_json({"choices": []}),
    "html": Reply(b"<html></html>", headers={"Content-Type": "text/html"}),
}


@pytest.mark.parametrize("reply", WORDLESS.values(), ids=WORDLESS.keys())
def test_stream_without_a_word_or_an_end_is_an_error(server, endpoint, reply):
    server.on(PATH, reply)
    with pytest.raises(BadResponse) as caught:
        ask(endpoint)
    assert "/v1" in caught.value.hint
    assert len(server.requests) == 1


STREAM_ERRORS = {
    "bare string": b'data: "Model unloaded."\n\n',
    "bare text": b"event: error\ndata: Model unloaded.\n\n",
    "string": {"error": "Model unloaded."},
    "object": {"error": {"message": "Model unloaded."}},
    "message": {"message": "Model unloaded.", "code": 500},
    "event of type error": {"type": "error", "message": "Model unloaded."},
    "failed response": {"type": "response.failed", "response": {"error": {"message": "Model unloaded."}}},
}  # fmt: skip


@pytest.mark.parametrize("event", STREAM_ERRORS.values(), ids=STREAM_ERRORS.keys())
def test_error_before_the_first_word_is_met_with_another_try(server, endpoint, event):
    lost = []
    endpoint.on_lost = lost.append
    server.on(PATH, sse(chunk(role="assistant"), event), sse(chunk("yes", "stop")))
    assert text_of(ask(endpoint)) == "yes"
    assert lost == ["m"]


@pytest.mark.parametrize("event", STREAM_ERRORS.values(), ids=STREAM_ERRORS.keys())
def test_error_after_the_first_word_is_told_in_the_words_of_the_server(server, endpoint, event):
    say(server, chunk("half"), event)
    seen = []
    with pytest.raises(ModelLost, match="Model unloaded"):
        seen.extend(endpoint.stream("m", QUESTION, 5, 0.0))
    assert text_of(seen) == "half"
    assert len(server.requests) == 1


def test_status_inside_an_error_event_is_read(server, endpoint):
    say(server, {"error": {"code": 400, "message": "bad grammar"}})
    with pytest.raises(RequestRefused, match="bad grammar"):
        ask(endpoint)
    assert len(server.requests) == 1


def test_broken_event_is_not_read_for_its_words(server, endpoint):
    say(server, b'data: {"choices": [{"delta": {"content": "authentication\n\n')
    with pytest.raises(BadResponse, match="no JSON") as caught:
        ask(endpoint)
    assert "authentication" not in caught.value.message


# Streams without end.


def endless(event, pause=0.0):
    def pieces():
        for _ in range(100_000):
            yield from sse(event, done=False).body
            time.sleep(pause)

    return Reply(pieces(), headers={"Content-Type": "text/event-stream"})


def test_stream_without_end_is_cut_as_too_long(server, endpoint):
    server.on(PATH, endless(chunk("na ")))
    deltas = ask(endpoint, max_tokens=5)
    assert deltas[-1].finish_reason == "length"
    assert 1000 < len(deltas) < 1100


def test_event_without_end_is_cut_as_too_long(server, endpoint):
    def pieces():
        yield from sse(chunk("some"), done=False).body
        yield b'data: {"choices": [{"delta": {"content": "'
        for _ in range(1000):
            yield b"x" * 2**16

    server.on(PATH, Reply(pieces(), headers={"Content-Type": "text/event-stream"}))
    deltas = ask(endpoint)
    assert text_of(deltas) == "some"
    assert deltas[-1].finish_reason == "length"


def test_large_event_that_ends_is_read(server, endpoint):
    say(server, *[chunk("x" * 2**20)] * 6, chunk("", "stop"))
    assert len(text_of(ask(endpoint))) == 6 * 2**20


def test_stream_of_nothing_without_end_is_an_error(server, endpoint):
    server.on(PATH, endless({"choices": []}))
    with pytest.raises(BadResponse, match="without end"):
        ask(endpoint, max_tokens=5)


def test_pings_before_the_first_word_do_not_last_for_ever(server):
    def pieces():
        for _ in range(60):
            yield b": ping\n\n"
            time.sleep(0.05)

    server.on(PATH, lambda _: Reply(pieces(), headers={"Content-Type": "text/event-stream"}))
    endpoint = Endpoint(server.url, "k", Timeouts(response=0.4, idle=0.2, retry=0.01))
    started = time.monotonic()
    with pytest.raises(EndpointUnreachable, match=r"did not begin its answer in 0.4 seconds"):
        ask(endpoint)
    assert time.monotonic() - started < 2
    assert len(server.requests) == 2
    endpoint.close()


def test_reader_may_take_its_time(server, endpoint):
    say(server, chunk("one "), chunk("two"), chunk("", "stop"))
    seen = []
    for delta in endpoint.stream("m", QUESTION, 5, 0.0):
        seen.append(delta)
        time.sleep(0.7)  # longer than the silence that is allowed
    assert text_of(seen) == "one two"
    assert seen[-1].finish_reason == "stop"


# What is asked for.


def test_plain_request_has_no_extras(server, endpoint):
    say(server, chunk("yes", "stop"))
    ask(endpoint)
    assert set(server.requests[0].json) == {
        "model", "messages", "max_tokens", "temperature", "stream", "stream_options",
    }  # fmt: skip


def test_thinking_is_switched_off_and_a_format_asked_for(server, endpoint):
    server.on(PATH, sse(chunk("{}", "stop")))
    ask(endpoint, think=False, response_format={"type": "json_schema"})
    sent = server.requests[0].json
    assert sent["reasoning_effort"] == "none"
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent["response_format"] == {"type": "json_schema"}


def test_responses_surface_has_its_own_words_for_it(server, endpoint):
    server.on("/v1/responses", as_json({"error": {"message": "Unrecognized key(s): 'reasoning'"}}, 400),
              sse({"type": "response.output_text.delta", "delta": "yes"},
                  {"type": "response.completed", "response": {}}))  # fmt: skip
    deltas = ask(endpoint, surface="responses", think=False, response_format={"type": "x"})
    assert text_of(deltas) == "yes"
    first, second = (request.json for request in server.requests)
    assert first["reasoning"] == {"effort": "none"}
    assert first.keys() - second.keys() == {"reasoning"}
    assert "response_format" not in first


THINKING = {"reasoning_effort", "chat_template_kwargs"}
REFUSALS = {
    "transformers": (as_json({"detail": "Unexpected fields in the request: {'chat_template_kwargs'}"}, 422), THINKING),
    "pydantic": (as_json({"detail": [{"loc": ["body", "reasoning_effort"], "type": "extra_forbidden",
                                      "msg": "Extra inputs are not permitted"}]}, 422), THINKING),
    "no name": (as_json({"error": "Unknown field in request"}, 400), THINKING),
    "value": (as_json({"error": {"message": "reasoning_effort must be one of low, high"}}, 400), THINKING),
    "Ollama": (as_json({"error": {"message": '"llama3" does not support thinking'}}, 400), THINKING),
    "500": (as_json({"error": {"message": "enable_thinking: no such variable"}}, 500), THINKING),
    "stream options": (as_json({"error": "stream_options is not supported"}, 400), {"stream_options"}),
    "both": (as_json({"detail": "Extra fields: stream_options, reasoning_effort"}, 400), {*THINKING, "stream_options"}),
}  # fmt: skip


@pytest.mark.parametrize(("refusal", "dropped"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refused_fields_are_left_out_in_a_second_request(server, endpoint, refusal, dropped):
    server.on(PATH, refusal, sse(chunk("yes", "stop")))
    assert text_of(ask(endpoint, think=False)) == "yes"
    first, second = (request.json for request in server.requests)
    assert first.keys() - second.keys() == dropped


def test_fields_are_left_out_only_once(server, endpoint):
    server.on(PATH, REFUSALS["pydantic"][0])
    with pytest.raises(RequestRefused, match=r"body\.reasoning_effort: Extra inputs"):
        ask(endpoint, think=False)
    assert len(server.requests) == 2


def test_refusal_of_something_else_is_no_reason_to_ask_again(server, endpoint):
    server.on(PATH, as_json({"error": "temperature is too high"}, 400))
    with pytest.raises(RequestRefused):
        ask(endpoint, think=False)
    assert len(server.requests) == 1


# Whole answers.


def test_whole_answer_keeps_text_thinking_and_end_apart(server, endpoint):
    say(server, chunk(reasoning="hm"), chunk("ye"), chunk("s", "length"))
    reply = endpoint.complete("m", QUESTION, 50)
    assert (reply.text, reply.finish_reason, reply.reasoning) == ("yes", "length", "hm")
    sent = server.requests[0].json
    assert sent["reasoning_effort"] == "none"
    assert sent["temperature"] == 0.0


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([chunk(None, "stop", role="assistant")], ("", "stop", "")),
        ([chunk("", reasoning_content="all thought"), chunk("", "stop")], ("", "stop", "all thought")),
        ([chunk("half")], ("half", "truncated", "")),
    ],
    ids=["null", "only thought", "no end"],
)  # fmt: skip
def test_whole_answer_says_what_is_missing(server, endpoint, events, expected):
    say(server, *events)
    reply = endpoint.complete("m", QUESTION, 50)
    assert (reply.text, reply.finish_reason, reply.reasoning) == expected


def test_whole_answer_serves_structured_questions(server, endpoint):
    refusal = as_json({"error": "'response_format.type' must be 'json_schema' or 'text'"}, 400)
    server.on(PATH, refusal, sse(chunk('{"n": 4', None), chunk("2}", "stop")))
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert ask_for_json(partial(endpoint.complete, "m"), QUESTION, schema, 50) == {"n": 42}
    first, second = (request.json for request in server.requests)
    assert "response_format" in first
    assert "response_format" not in second


def test_whole_response_of_a_server_that_does_not_stream(server, endpoint):
    output = [
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "yes"}]},
    ]
    server.on(
        "/v1/responses", as_json({"object": "response", "status": "completed", "output": output})
    )
    reply = endpoint.complete("m", QUESTION, 50, surface="responses")
    assert (reply.text, reply.finish_reason) == ("yes", "stop")


@pytest.mark.parametrize("cut", range(1, 5))
def test_byte_order_mark_is_passed_over(server, endpoint, cut):
    raw = b"\xef\xbb\xbf" + b"".join(sse(chunk("one"), chunk(" two", "stop")).body)
    server.on("/v1/chat/completions", as_stream([raw[:cut], raw[cut:]]))
    assert text_of(ask(endpoint)) == "one two"


@pytest.mark.parametrize("body", ["hi", ["hi"], 3])
def test_whole_answer_that_is_none_names_the_address(server, endpoint, body):
    server.on("/v1/chat/completions", as_json(body))
    with pytest.raises(BadResponse) as caught:
        ask(endpoint)
    assert "/v1" in caught.value.hint


def test_whole_answer_of_a_text_is_read_for_its_meaning(server, endpoint):
    server.on("/v1/chat/completions", as_json("No models loaded"))
    with pytest.raises(ModelUnavailable, match="No models loaded"):
        ask(endpoint)


def test_whole_answer_that_trickles_ends_in_time(server):
    path = "/v1/chat/completions"
    server.on(path, lambda _: Reply((b" " for _ in range(100)), pace=0.02))
    endpoint = Endpoint(server.url, "k", Timeouts(response=0.2, idle=0.1, retry=0.01))
    with pytest.raises(EndpointUnreachable, match="did not finish its answer"):
        ask(endpoint)
    endpoint.close()


LIFELESS = {
    "a role": chunk("", role="assistant"),
    "nothing": chunk(None),
    "no choices": {"choices": []},
    "a state": {"type": "response.in_progress", "response": {}},
    "an empty delta": {"type": "response.output_text.delta", "delta": ""},
}
ALIVE = {
    "a thought by another name": chunk(thinking="hm"),
    "usage": {"choices": [], "usage": {"completion_tokens": 1}},
    "a new part": {"type": "response.reasoning_part.added", "part": {}},
    "progress": {"type": "prompt_processing.progress", "progress": 0.5},
}


@pytest.mark.parametrize("event", LIFELESS.values(), ids=LIFELESS.keys())
def test_event_without_life_does_not_end_a_silence(event):
    assert not shows_life(event)


@pytest.mark.parametrize("event", ALIVE.values(), ids=ALIVE.keys())
def test_event_of_something_else_than_text_ends_a_silence(event):
    assert shows_life(event)


def test_empty_deltas_after_a_word_do_not_last_for_ever(server):
    pieces = chain(sse(chunk("one"), done=False).body, endless_pieces(chunk("")))
    server.on("/v1/chat/completions", as_stream(pieces, pace=0.02))
    endpoint = Endpoint(server.url, "k", Timeouts(response=2, idle=0.2, retry=0.01))
    with pytest.raises(EndpointUnreachable, match="nothing for 0.2 seconds"):
        ask(endpoint)
    endpoint.close()


def endless_pieces(event):
    piece = sse(event, done=False).body[0]
    return (piece for _ in range(100))
