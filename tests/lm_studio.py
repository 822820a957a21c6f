"""A simulated LM Studio: models that are downloaded, loaded, evicted; every surface it serves."""

from __future__ import annotations

import itertools
import json
import math
import re
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from fault_server import FaultServer, Reply, Request, as_json

NO_MODEL = (
    "No models loaded. Please load a model in the developer page or use the 'lms load' command."
)
NO_ROOM = (
    "Model loading was stopped due to insufficient system resources. Under the current settings, "
    "this model requires approximately 9.81 GB of memory, and continuing to load it would likely "
    "overload your system and cause it to freeze."
)
CRASHED = "The model has crashed without additional information. (Exit code: 6)"
OVERFLOW = {
    "0.3": "Trying to keep the first {sent} tokens when context the overflows. However, the model "
    "is loaded with context length of only {context} tokens, which is not enough. Try to load the "
    "model with a larger context length, or provide a shorter input",
    "0.4": "The number of tokens to keep from the initial prompt is greater than the context "
    "length (n_keep: {sent}>= n_ctx: {context}). Try to load the model with a larger context "
    "length, or provide a shorter input.",
}
CREATED = 1745102100
WORD = re.compile(r"\w+|[^\w\s]")
PASSAGE = re.compile(r'<passage-(\w+) n="(\d+)"[^>]*>\n(.*?)\n</passage-\1>', re.DOTALL)


@dataclass
class Model:
    """A downloaded model; `embeds` says what it can do, `type` what the server calls it."""

    key: str
    type: str = "llm"
    quantisation: str = "Q4_K_M"
    max_context: int = 16384
    load_context: int = 4096
    architecture: str = "phi3"
    publisher: str = "lmstudio-community"
    format: str = "gguf"
    size_bytes: int = 9_053_114_816
    embeds: bool = False


def embedding_model(key: str = "text-embedding-nomic-embed-text-v1.5", **given) -> Model:
    """An embedding model, loaded with 2048 tokens whatever it could do, as LM Studio does."""
    about = {
        "type": "embedding", "max_context": 2048, "load_context": 2048, "embeds": True,
        "architecture": "nomic-bert", "publisher": "nomic-ai", "size_bytes": 84_106_624,
    }  # fmt: skip
    return Model(key, **(about | given))


@dataclass
class Instance:
    id: str
    model: Model
    context: int
    is_jit: bool


class Refused(Exception):
    """What the server answers instead: a status and the value of `error`."""

    def __init__(self, status: int, error: object) -> None:
        super().__init__(status, error)
        self.reply = as_json({"error": error}, status)


def invalid(message: str, code: str | None = None) -> dict[str, object]:
    return {"message": message, "type": "invalid_request_error", "param": "model", "code": code}


@dataclass
class LMStudio:
    """Models on a disk and in memory, behind real HTTP; all that happens is in `events`.

    `room` is how many models fit into memory, `load_seconds` what a load takes.  `answer` is
    what every chat model says; without it a sentence of the first passage is quoted.
    `tells_loaded_context` is off for the answers of 0.3.6, whose schema has no such field.
    """

    models: list[Model]
    version: str = "0.4"
    jit: bool = True
    auto_evict: bool = True
    room: int | None = None
    load_seconds: float = 0.0
    truncates: bool = True
    tells_loaded_context: bool = True
    no_room_status: int = 500
    answer: str | None = None
    crashes: set[str] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    server: FaultServer = field(default_factory=FaultServer)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def url(self) -> str:
        return self.server.url

    @contextmanager
    def running(self) -> Iterator[LMStudio]:
        routes = {
            "/v1/models": self._list_openai,
            "/v1/embeddings": self._embed,
            "/v1/chat/completions": self._chat,
            "/v1/completions": self._complete,
            "/v1/responses": self._respond,
            "/api/v0/models": self._list_v0,
            "/api/v0/embeddings": self._embed,
            "/api/v0/chat/completions": self._chat,
            "/api/v0/completions": self._complete,
        }
        for model in self.models:
            for name in {model.key, quote(model.key, safe="")}:
                routes[f"/api/v0/models/{name}"] = lambda _, m=model: as_json(self._row_v0(m))
        if self.version >= "0.4":
            routes["/api/v1/models"] = self._list_v1
            routes["/api/v1/models/load"] = self._load_on_request
            routes["/api/v1/models/unload"] = self._unload_on_request
        for path, action in routes.items():
            self.server.on(path, self._guarded(action))
        with self.server.running():
            yield self

    # ---- memory

    def load(self, key: str, context: int | None = None, *, is_jit: bool = False) -> Instance:
        """Load a model as `lms load` does, or as a request does; raises Refused without room."""
        with self._lock:
            model = next(m for m in self.models if m.key == key)
            if self.room is not None and len(self.instances) >= self.room:
                self.events.append(f"refuse {key}")
                raise Refused(*self._no_room(key, is_jit))
            taken = {instance.id for instance in self.instances}
            names = itertools.chain([key], (f"{key}:{n}" for n in itertools.count(2)))
            name = next(name for name in names if name not in taken)
            time.sleep(self.load_seconds)
            loaded = Instance(name, model, context or model.load_context, is_jit)
            self.instances.append(loaded)
            self.events.append(f"{'jit' if is_jit else 'load'} {name}")
            return loaded

    def _no_room(self, key: str, is_jit: bool) -> tuple[int, object]:
        if not is_jit:
            return self.no_room_status, {"type": "model_load_failed", "message": NO_ROOM}
        return 404, invalid(f'Failed to load model "{key}". Error: {NO_ROOM}')

    def unload(self, name: str, event: str = "unload") -> None:
        with self._lock:
            self.instances = [i for i in self.instances if i.id != name]
            self.events.append(f"{event} {name}")

    def _instance_for(self, name: str) -> Instance:
        """Return what answers a request: the instance named, a loaded one, one loaded for it."""
        with self._lock:
            found = [i for i in self.instances if name in (i.id, i.model.key)]
            known = any(model.key == name for model in self.models)
            if found or not (known and self.jit):
                answering = found or (self.instances if len(self.instances) == 1 else [])
                if not answering:
                    raise Refused(*self._nobody(name))
            else:
                for other in [i for i in self.instances if i.is_jit and self.auto_evict]:
                    self.unload(other.id, "evict")
                answering = [self.load(name, is_jit=True)]
            (instance, *_) = answering
            if instance.model.key in self.crashes:
                self.crashes.discard(instance.model.key)
                self.unload(instance.id, "crash")
                raise Refused(400, CRASHED)
            return instance

    def _nobody(self, name: str) -> tuple[int, object]:
        if not self.instances:
            return 404, invalid(NO_MODEL)
        names = ", ".join(model.key for model in self.models)
        text = f'Invalid model identifier "{name}". Please specify a valid downloaded model (e.g.,'
        return 400, invalid(f"{text} {names}).", "model_not_found")

    def _load_on_request(self, request: Request) -> Reply:
        asked = request.json
        model = next((m for m in self.models if m.key == asked.get("model")), None)
        if model is None:
            about = f"Model {asked.get('model')} not found"
            raise Refused(404, {"type": "model_not_found", "message": about})
        if (asked.get("context_length") or 0) > model.max_context:
            about = f"context_length must be at most {model.max_context}"
            raise Refused(400, {"type": "invalid_request", "message": about})
        started = time.monotonic()
        instance = self.load(asked["model"], asked.get("context_length"))
        answer = {
            "type": "embedding" if instance.model.type == "embedding" else "llm",
            "instance_id": instance.id,
            "load_time_seconds": round(time.monotonic() - started, 3),
            "status": "loaded",
        }
        if asked.get("echo_load_config"):
            answer["load_config"] = self._config(instance)
        return as_json(answer)

    def _unload_on_request(self, request: Request) -> Reply:
        name = request.json.get("instance_id")
        if not any(instance.id == name for instance in self.instances):
            raise Refused(404, {"type": "model_not_found", "message": f"{name} is not loaded"})
        self.unload(name)
        return as_json({"instance_id": name})

    # ---- listings

    def _list_openai(self, _request: Request) -> Reply:
        loaded = [instance.id for instance in self.instances]
        names = (
            list(dict.fromkeys([*loaded, *(m.key for m in self.models)])) if self.jit else loaded
        )
        rows = [{"id": n, "object": "model", "owned_by": "organization_owner"} for n in names]
        return as_json({"data": rows, "object": "list"})

    def _list_v0(self, _request: Request) -> Reply:
        rows = [self._row_v0(model) for model in self.models]
        return as_json({"data": rows, "object": "list"})

    def _row_v0(self, model: Model) -> dict[str, object]:
        instance = next((i for i in self.instances if i.model is model), None)
        row = {
            "id": model.key,
            "object": "model",
            "type": "embeddings" if model.type == "embedding" else model.type,
            "publisher": model.publisher,
            "arch": model.architecture,
            "compatibility_type": model.format,
            "quantization": model.quantisation,
            "state": "loaded" if instance else "not-loaded",
            "max_context_length": model.max_context,
        }
        if instance and self.tells_loaded_context:
            row["loaded_context_length"] = instance.context
        return row

    def _list_v1(self, _request: Request) -> Reply:
        return as_json({"models": [self._row_v1(model) for model in self.models]})

    def _row_v1(self, model: Model) -> dict[str, object]:
        row = {
            "type": "embedding" if model.type == "embedding" else "llm",
            "publisher": model.publisher,
            "key": model.key,
            "display_name": model.key.title(),
            "quantization": {"name": model.quantisation, "bits_per_weight": 4},
            "size_bytes": model.size_bytes,
            "params_string": None,
            "loaded_instances": [
                {"id": i.id, "config": self._config(i)} for i in self.instances if i.model is model
            ],
            "max_context_length": model.max_context,
            "format": model.format,
        }
        if model.type != "embedding":
            sees = {"vision": model.type == "vlm", "trained_for_tool_use": False}
            row |= {"architecture": model.architecture, "capabilities": sees, "description": None}
        return row

    def _config(self, instance: Instance) -> dict[str, object]:
        config: dict[str, object] = {"context_length": instance.context}
        if instance.model.type != "embedding":
            config |= {"eval_batch_size": 512, "parallel": 4, "flash_attention": True}
        return config

    # ---- embeddings

    def _embed(self, request: Request) -> Reply:
        given = request.json.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Refused(400, "'input' field must be a string or an array of strings")
        instance = self._instance_for(request.json["model"])
        rows = [self._vector(instance, text) for text in texts]
        data = [{"object": "embedding", "embedding": r, "index": i} for i, r in enumerate(rows)]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        body = {"object": "list", "data": data, "model": instance.model.key, "usage": usage}
        return as_json(body)

    def _vector(self, instance: Instance, text: str) -> list[float]:
        if not instance.model.embeds:
            return [0.25] * 48  # numbers that mean nothing, and no error
        words = WORD.findall(text.lower())
        return bag_of_words(words[: instance.context - 2] if self.truncates else words)

    # ---- text

    def _chat(self, request: Request) -> Reply:
        asked = request.json
        prompt = "\n".join(str(message["content"]) for message in asked["messages"])
        written = self._write(asked["model"], prompt, asked.get("max_tokens"))
        message = {"role": "assistant", "content": written.text}
        return self._answer_choices(request, written, "chat.completion", {"message": message})

    def _complete(self, request: Request) -> Reply:
        asked = request.json
        written = self._write(asked["model"], asked["prompt"], asked.get("max_tokens"))
        return self._answer_choices(request, written, "text_completion", {"text": written.text})

    def _write(self, name: str, prompt: str, max_tokens: int | None) -> Written:
        instance = self._instance_for(name)
        sent = len(WORD.findall(prompt))
        if sent > instance.context:
            text = OVERFLOW[self.version[:3]].format(sent=sent, context=instance.context)
            raise Refused(400, text if self.version < "0.4" else {"message": text})
        words = re.findall(r"\s*\S+", self.answer if self.answer is not None else quoted(prompt))
        kept = words[:max_tokens] if max_tokens and max_tokens > 0 else words
        return Written(instance, sent, kept, is_cut=len(kept) < len(words))

    def _answer_choices(
        self, request: Request, written: Written, kind: str, content: dict[str, object]
    ) -> Reply:
        native = written.native() if request.path.startswith("/api/v0") else {}
        head = {
            "id": f"{'chatcmpl' if 'chat' in kind else 'cmpl'}-em8k6y65qytrj5q7yuox",
            "object": kind,
            "created": CREATED,
            "model": written.instance.model.key,
        }
        state = {"index": 0, "logprobs": None}
        if not request.json.get("stream"):
            choice = state | {"finish_reason": written.finish} | content
            return as_json(head | {"choices": [choice], "usage": written.usage()} | native)
        head["object"] = "chat.completion.chunk" if "chat" in kind else kind
        pieces = [
            {"delta": {"role": "assistant", "content": word}} if "chat" in kind else {"text": word}
            for word in written.words
        ]
        end = {"delta": {}} if "chat" in kind else {"text": ""}
        events = [head | {"choices": [state | {"finish_reason": None} | piece]} for piece in pieces]
        events.append(
            head | {"choices": [state | {"finish_reason": written.finish} | end]} | native
        )
        if (request.json.get("stream_options") or {}).get("include_usage"):
            events.append(head | {"choices": [], "usage": written.usage()})
        return stream(events)

    def _respond(self, request: Request) -> Reply:
        asked = request.json
        given = asked["input"]
        turns = [given] if isinstance(given, str) else [turn["content"] for turn in given]
        prompt = "\n".join([asked.get("instructions") or "", *turns])
        written = self._write(asked["model"], prompt, asked.get("max_output_tokens"))
        status = "incomplete" if written.is_cut else "completed"
        part = {"type": "output_text", "text": written.text, "annotations": [], "logprobs": []}
        item = {
            "id": "msg_1", "type": "message", "role": "assistant", "status": status,
            "content": [part],
        }  # fmt: skip
        response = {
            "id": "resp_1", "object": "response", "created_at": CREATED, "status": status,
            "model": written.instance.model.key, "output": [item],
            "usage": written.usage("input_tokens", "output_tokens"), "error": None,
        }  # fmt: skip
        if not asked.get("stream"):
            return as_json(response)
        begun = response | {"status": "in_progress", "output": [], "usage": None}
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        events = [
            {"type": "response.created", "response": begun},
            *(
                {"type": "response.output_text.delta", "delta": word} | place
                for word in written.words
            ),
            {"type": "response.output_text.done", "text": written.text} | place,
            {"type": f"response.{status}", "response": response},
        ]
        return stream(events, named=True)

    def _guarded(self, action):
        def answer(request: Request) -> Reply:
            if request.method == "POST" and not request.path.startswith("/api/v1"):
                self.events.append(f"ask {request.path} {request.json.get('model')}")
            try:
                return action(request)
            except Refused as refused:
                return refused.reply

        return answer


@dataclass
class Written:
    """An answer, its pieces in the order they are streamed."""

    instance: Instance
    sent: int
    words: list[str]
    is_cut: bool

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def finish(self) -> str:
        return "length" if self.is_cut else "stop"

    def usage(self, sent: str = "prompt_tokens", made: str = "completion_tokens") -> dict[str, int]:
        return {sent: self.sent, made: len(self.words), "total_tokens": self.sent + len(self.words)}

    def native(self) -> dict[str, object]:
        model = self.instance.model
        return {
            "stats": {
                "tokens_per_second": 51.43709529007664,
                "time_to_first_token": 0.111,
                "generation_time": 0.954,
                "stop_reason": "maxPredictedTokensReached" if self.is_cut else "eosFound",
            },
            "model_info": {
                "arch": model.architecture,
                "quant": model.quantisation,
                "format": model.format,
                "context_length": self.instance.context,
            },
            "runtime": {
                "name": "llama.cpp-mac-arm64-apple-metal-advsimd",
                "version": "1.26.0",
                "supported_formats": ["gguf"],
            },
        }


def stream(events: list[dict[str, object]], *, named: bool = False) -> Reply:
    """Server-sent events; /v1/responses names each and ends without [DONE]."""
    pieces = [
        (f"event: {event['type']}\n" if named else "").encode()
        + b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in events
    ]  # fmt: skip
    done = [] if named else [b"data: [DONE]\n\n"]
    return Reply(iter(pieces + done), headers={"Content-Type": "text/event-stream"})


def bag_of_words(words: list[str], dimension: int = 256) -> list[float]:
    """Which words a text has, each at the place its hash names: alike words, alike vectors."""
    counts = [0.0] * dimension
    for word in words:
        counts[zlib.crc32(word.encode()) % dimension] += 1.0
    return [0.001 + (1.0 + math.log(count) if count else 0.0) for count in counts]


def quoted(prompt: str) -> str:
    """The first sentence of the first passage with its number, as a willing model answers."""
    passage = PASSAGE.search(prompt)
    if passage is None:
        return "Hello, I am your guide."
    sentence = re.split(r"(?<=[.!?])\s", " ".join(passage[3].split()))[0].rstrip(".")
    return f"{sentence} [{passage[2]}]."
