"""Every rule of talking to model servers as a case: what a server does, what must come out.

`python tests/models/conformance.py` runs all of them against a real HTTP server on loopback and
prints where each rule is held, and what a user sees.  A word or a number given as its argument
runs only the cases that have it.
"""

from __future__ import annotations

import gc
import gzip
import io
import itertools
import json
import math
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import numpy
from fault_server import (
    FaultServer,
    Reply,
    Request,
    as_json,
    as_stream,
    bytes_of,
    chunk,
    embedding_rows,
    endless,
    fail,
    gzip_bomb,
    one_by_one,
    raw_reply,
    sse,
    with_headers,
)

from ingest.base.documents import Chunk, Document, Failure, Health, Known, Source
from ingest.base.errors import PipelineError, TextsRejected
from ingest.pipeline import Options, ingest_folder
from rag.index.base.errors import IndexMismatch
from rag.models.base.errors import (
    AuthenticationFailed,
    BadResponse,
    ContextOverflow,
    EndpointError,
    EndpointUnreachable,
    ModelLost,
    ModelUnavailable,
    OnlyThought,
    RequestRefused,
    ServerBusy,
)
from rag.models.base.messages import Message, Usage
from rag.models.chat.structured import Reply as Whole
from rag.models.chat.structured import ask_for_json
from rag.models.choose import choose_chat, choose_embedding
from rag.models.discover import list_models
from rag.models.embedding.embedder import connect_embedder
from rag.models.embedding.pace import Pace
from rag.models.endpoint import Endpoint, Timeouts
from rag.pipeline import Pipeline
from rag.settings import Settings

TITLES = {
    "1": "one spelling of the base URL; /v1 or not, no localhost",
    "2": "the program's own key; nothing of OPENAI_* reaches the wire",
    "3": "no proxy of the environment",
    "4": "idle connections are dropped before the server closes them",
    "5": "base64 is asked for, floats are taken as well; no typed result",
    "6": "rows in the order of their index, and exactly 0..n-1",
    "7": "one dimension, that of the index",
    "8": "no NaN, infinite, null or zero vector is stored",
    "9": "unit vectors",
    "10": "no empty text, token array, lone surrogate or `dimensions` is sent",
    "11": "no input is longer than the loaded context",
    "12": "silent truncation and wrong batches are noticed before the first document",
    "13": "the server's words are found in every shape of error, and come before the status",
    "14": "200 without what was asked for is a failure with a hint",
    "15": "the limit is read from an overflow; texts are cut and sent again",
    "16": "a failed batch is halved until the text at fault is alone",
    "17": "only what may pass is retried; loading is waited for; Retry-After is honoured",
    "18": "a retry duplicates nothing",
    "19": "requests at once begin at 1 and go back to 1 after a crash",
    "20": "the model is loaded before it is needed; never embeddings and chat at once",
    "21": "setting, loaded, name, in this order; an llm is probed before it embeds",
    "22": "the model that answered is compared with the one asked for",
    "23": "servers are told by the shape of their answers",
    "24": "prompt and answer stay inside the loaded context",
    "25": "max_tokens is always sent; an answer cut off is shown as such",
    "26": "only thinking, no answer: asked again without thinking, never taken for the answer",
    "27": "inline thinking is removed, also across chunks",
    "28": "a stream without a finish reason is cut off: its text is kept and marked",
    "29": "empty choices, null deltas and null usage do no harm",
    "30": "silence ends a stream; pings are no words",
    "31": "an error event in a stream is told in the server's words",
    "32": "a stream without an event is an error",
    "33": "JSON: json_schema first, without it when refused, never json_object",
    "34": "usage 0 or missing means unknown",
    "35": "scripts a tokenizer cannot read are told",
    "36": "documents that leave the machine are told",
    "37": "every exception is one error with a hint, and no traceback",
    "38": "openai is imported when an endpoint is used",
    "C1": "port closed",
    "C2": "proxy set",
    "C3": "connection reset before or after the head",
    "C4": "body shorter than promised",
    "C5": "first byte late",
    "C6": "idle connection closed by the server",
    "C7": "404 no models loaded, object",
    "C8": "503 loading, then 200",
    "C9": "500 once",
    "C10": "429 with Retry-After",
    "C11": "401 token required",
    "C12": "200 unexpected endpoint",
    "C13": "200 text/html",
    "C14": "200 JSON of another shape",
    "C15": "400 no models loaded, string",
    "C16": "422 detail list; 400 model_not_found",
    "C17": "rows in reverse order",
    "C18": "wrong count, double or missing index",
    "C19": "vectors of another dimension",
    "C20": "NaN, infinite, null or zero vectors",
    "C21": "floats, cut base64, five bytes",
    "C22": "usage 0 or missing",
    "C23": "another model answers",
    "C24": "500 input too large to process",
    "C25": "every overflow text",
    "C26": "model crashed or unloaded",
    "C27": "400 NaN in one embedding",
    "C28": "one text of several is refused",
    "C29": "choices empty",
    "C30": "content null",
    "C31": "only reasoning_content",
    "C32": "<think> inline",
    "C33": "finish reason length",
    "C34": "response_format refused",
    "C35": "usage chunk without choices",
    "C36": "reset or end in mid stream",
    "C37": "stream ends without finish reason",
    "C38": "error event in mid stream",
    "C39": "odd but right event streams",
    "C40": "stall, with pings and without",
    "Q1": "long inputs: 500 (llama.cpp), cut in silence (llama-cpp-python, infinity)",
    "Q2": "vectors that are not normalised (llama-cpp-python)",
    "Q3": "encoding_format ignored (llama-cpp-python)",
    "Q4": "dimensions ignored, cut or refused",
    "Q5": "any model name is served and echoed",
    "Q6": "empty texts get real-looking vectors",
    "Q7": "lone surrogates break the request",
    "Q8": "422 echoes the whole input (infinity); work goes on after a timeout (llama-cpp-python)",
    "Q9": "usage counts characters (infinity)",
    "Q10": "wrong kind of server: 501, 500, 404",
    "Q11": "overflow in a stream: 200 and nothing (llama-cpp-python)",
    "Q12": "streams without role, without [DONE], usage where nobody asked",
    "Q13": "json_schema refused with 500 (llama-cpp-python) or ignored (transformers)",
    "Q14": "max_completion_tokens ignored",
    "Q15": "unknown fields refused with 422 (transformers)",
    "Q16": "error bodies of every make, also plain text",
    "Q17": "keys wanted for the list of models too",
    "Q18": "answers that take a minute on a busy machine",
    "Q19": "nothing listens",
}

# Tests by name that hold a rule, wholly or in addition to the cases.
HELD = {
    "1": ("test_endpoint_is_brought_to_one_spelling",),
    "2": ("test_nothing_of_the_environment_reaches_the_wire",),
    "10": (
        "test_blank_text_has_no_chunks",
        "test_a_sea_of_blanks_is_in_no_chunk",
    ),
    "11": ("test_the_limit_of_a_small_model_is_kept",),
    "12": ("test_true_limit_is_found",),
    "18": (
        "test_vector_key_tells_identity_and_text_apart",
        "test_a_second_run_sends_only_what_is_missing",
    ),
    "21": ("test_embedding_model_is_chosen_with_its_reason",),
    "23": (
        "test_servers_are_found_in_the_stated_order",
        "test_other_servers_are_read_from_the_openai_path",
    ),
    "24": ("test_prompt_and_answer_never_exceed_the_context",),
    "27": ("test_every_form_of_thought_is_kept_apart",),
    "36": ("test_ollama_tells_kind_context_and_who_really_answers",),
    "37": ("test_every_exception_of_the_packages_is_translated",),
    "38": ("test_start_is_light",),
    "Q18": ("test_slow_stream_is_not_cut_while_it_writes",),
}

# What a later version will hold.
LATER = {"35": "the share of unknown tokens is not measured yet"}

EMBED, CHAT, MODELS = "/v1/embeddings", "/v1/chat/completions", "/v1/models"
NATIVE, LOAD = "/api/v1/models", "/api/v1/models/load"
QUICK = Timeouts(connect=1, response=3, idle=0.5, retry=0.01, load=1.5)
QUESTION = "How tight are the bolts of the mast?"
SECRET = "secret"


# --- what a case is ----------------------------------------------------------------------------


@dataclass
class Run:
    """A case while it runs: the server, what the user was told of waiting, a folder."""

    server: FaultServer
    folder: Path
    told: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def sent(self) -> list[Request]:
        """The requests for embeddings and answers."""
        return [r for r in self.server.requests if r.method == "POST" and r.path != LOAD]


Behaviour = Reply | Callable[[Request], Reply]
Script = Mapping[str, Behaviour | Sequence[Behaviour]]
Act = Callable[[Run], object]


@dataclass(frozen=True)
class Gives:
    """The result itself, or a test of it that asserts or returns False."""

    what: object

    def judge(self, result: object, run: Run) -> None:
        if isinstance(result, BaseException):
            raise result
        if callable(self.what):
            assert self.what(result, run) is not False, f"unexpected: {result!r:.300}"
        else:
            assert result == self.what, f"expected {self.what!r}, got {result!r:.300}"


@dataclass(frozen=True)
class Fails:
    """An error of a kind, a word of its message, a word of its hint, at most `sent` requests."""

    kind: type[PipelineError]
    word: str
    hint: str = ""
    sent: int | None = None
    seconds: float = 5.0
    what: Callable[[PipelineError], bool] = lambda _error: True

    def judge(self, result: object, run: Run) -> None:
        if isinstance(result, BaseException) and not isinstance(result, PipelineError):
            raise result
        assert isinstance(result, self.kind), f"expected {self.kind.__name__}, got {result!r:.300}"
        assert self.word.lower() in result.message.lower(), f"message: {result.message}"
        assert self.hint.lower() in result.hint.lower(), f"hint: {result.hint}"
        assert result.hint, "no hint"
        assert "\n" not in result.message + result.hint
        assert len(result.message) < 600
        assert self.what(result), f"{vars(result)}"
        if self.sent is not None:
            assert len(run.sent) <= self.sent, f"{len(run.sent)} requests were sent"


@dataclass(frozen=True)
class Case:
    """`holds`: the numbers of `TITLES` it stands for; `server`: what the server does."""

    holds: str
    server: str
    script: Script
    act: Act
    expect: Gives | Fails
    seconds: float = 6.0
    idle_seconds: float | None = None

    @property
    def name(self) -> str:
        return f"{self.holds}: {self.server}"


@dataclass(frozen=True)
class Outcome:
    """What came of a case; `problem` is empty when it is what must come."""

    case: Case
    result: object
    problem: str
    seconds: float


def run_case(case: Case) -> Outcome:
    """Run one case against a server of its own."""
    server = FaultServer(case.idle_seconds)
    for path, behaviours in case.script.items():
        server.on(path, *(behaviours if isinstance(behaviours, Sequence) else [behaviours]))
    result: object
    with server.running(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = Run(server, Path(folder))
        started = time.monotonic()
        try:
            result = case.act(run)
        except Exception as error:
            result = error
        seconds = time.monotonic() - started
        try:
            case.expect.judge(result, run)
            assert seconds < case.seconds, f"took {seconds:.1f} s"
            problem = ""
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            problem = f"{type(error).__name__}: {lines[0]}"
    gc.collect(0)
    return Outcome(case, result, problem, seconds)


# --- what a client does ------------------------------------------------------------------------


@contextmanager
def connected(run: Run, timeouts: Timeouts = QUICK, url: str = "", key: str = "lm-studio") -> Iterator[Endpoint]:  # fmt: skip
    endpoint = Endpoint(url or run.server.url, key, timeouts)
    endpoint.on_wait = lambda what, _seconds: run.told.append(what)
    try:
        yield endpoint
    finally:
        endpoint.close()


def rounded(matrix: numpy.ndarray) -> list[list[float]]:
    return numpy.round(matrix.astype(float), 4).tolist()


def embedding(*texts: str, timeouts: Timeouts = QUICK, url: str = "", key: str = "lm-studio") -> Act:  # fmt: skip
    """Embed texts through an `Endpoint`."""

    def act(run: Run) -> object:
        with connected(run, timeouts, url, key) as endpoint:
            return rounded(endpoint.embed("stub", texts or ("a",)))

    return act


@dataclass(frozen=True)
class Said:
    """A whole streamed answer."""

    text: str
    finish: str | None
    reasoning: str = ""
    usage: Usage | None = None
    error: str = ""
    pieces: int = 0


def chatting(timeouts: Timeouts = QUICK, surface: str = "chat", tokens: int = 50) -> Act:
    """Stream an answer; an error after the first words is a part of what was said."""

    def act(run: Run) -> object:
        text, reasoning, finish, usage, told, pieces = "", "", None, None, "", 0
        with connected(run, timeouts) as endpoint:
            try:
                for delta in endpoint.stream("stub", [Message("user", "Hi")], tokens, 0.1, surface):
                    text, reasoning = text + delta.text, reasoning + delta.reasoning
                    finish, usage = delta.finish_reason or finish, delta.usage or usage
                    pieces += 1
            except EndpointError as error:
                if not text:
                    raise
                told = f"{type(error).__name__}: {error.message}"
        return Said(text, finish, reasoning, usage, told, pieces)

    return act


def listing(timeouts: Timeouts = QUICK, key: str = "lm-studio") -> Act:
    def act(run: Run) -> object:
        with connected(run, timeouts, key=key) as endpoint:
            return list_models(endpoint)

    return act


def embedding_documents(*texts: str) -> Act:
    """Embed documents as an ingest does: the batch is halved where a text is refused."""

    def act(run: Run) -> object:
        with connected(run) as endpoint:
            model = choose_embedding(list_models(endpoint), None).model
            embedder, _ = connect_embedder(endpoint, model, Pace(), "probe")
            return rounded(embedder.embed(texts))

    return act


def asking_json(schema: Mapping[str, object]) -> Act:
    def act(run: Run) -> object:
        with connected(run) as endpoint:
            return ask_for_json(
                partial(send_json, run, endpoint), [Message("user", "Where?")], schema, 50
            )

    return act


def send_json(run, endpoint, messages, max_tokens, response_format) -> Whole:
    text, reasoning, finish = "", "", None
    given = {} if response_format is None else {"response_format": response_format}
    for delta in endpoint.stream("stub", messages, max_tokens, 0.0, **given):
        text, reasoning = text + delta.text, reasoning + delta.reasoning
        finish = delta.finish_reason or finish
    return Whole(text, finish, reasoning)


@contextmanager
def pipeline(run: Run, index: Path | None = None, **settings: object) -> Iterator[Pipeline]:
    """The whole program with the server of the case."""
    given = {
        "endpoint": run.server.url, "index_dir": index or run.folder / "index", "search": "exact",
        "connect_timeout_seconds": 1, "response_timeout_seconds": 3, "idle_timeout_seconds": 0.5,
        "load_timeout_seconds": 2, "cache_dir": run.folder / "cache",
    }  # fmt: skip
    program = Pipeline(
        Settings.load({**given, **settings}), lambda what, _seconds: run.told.append(what)
    )
    try:
        yield program
        run.warnings += program.warnings
    finally:
        program.close()


def asking(question: str = QUESTION, **settings: object) -> Act:
    """Ask about one document, ingested before through a server without faults."""

    def act(run: Run) -> object:
        with pipeline(run, fresh_index(), **settings) as program:
            return program.ask(question)

    return act


class MemoryIndex:
    """What an ingest writes, kept in dictionaries: the real one takes a second to begin."""

    def __init__(self) -> None:
        self.vectors: dict[str, numpy.ndarray] = {}
        self.documents: dict[str, int] = {}

    @property
    def chunks(self) -> int:
        return sum(self.documents.values())

    def known(self, root: str) -> dict[str, Known]:
        return {}

    def stored_keys(self, keys: Sequence[str]) -> set[str]:
        return set(keys) & self.vectors.keys()

    def add_vectors(self, keys: Sequence[str], vectors: numpy.ndarray) -> None:
        assert len(keys) == len(vectors)
        norms = numpy.linalg.norm(vectors, axis=1)
        assert numpy.allclose(norms, 1.0), f"a vector of length {norms} is stored"
        self.vectors.update(zip(keys, vectors, strict=True))
        assert len({len(v) for v in self.vectors.values()}) == 1, "vectors of two dimensions"

    def add_document(
        self, document: Document, chunks: Sequence[Chunk], keys: Sequence[str], health: Health
    ) -> None:
        assert self.vectors.keys() >= set(keys)
        self.documents[document.id] = len(chunks)

    def touch_documents(self, sources: Sequence[Source]) -> None:
        pass

    def record_failure(self, source: Source, fingerprint: str, failure: Failure) -> None:
        pass

    def record_unread(self, root: str, failures: Sequence[Failure]) -> None:
        pass


def ingesting(
    documents: Mapping[str, str], *, twice: bool = False, whole: bool = False, **settings: object
) -> Act:
    """Read documents; `whole`: into a real index.  The result is the report and the index."""

    def act(run: Run) -> object:
        folder = run.folder / "documents"
        folder.mkdir()
        for name, text in documents.items():
            (folder / name).write_text(text, encoding="utf-8")
        index = MemoryIndex()
        with pipeline(run, **settings) as program:
            if whole:
                return program.ingest(folder), program.status()
            embedder = program.models.embedder_for_chunks(Options().limit)
            run.told += [what for what, _ in program.models.embedding_warnings(Options().limit)]
            if twice:
                with suppress(PipelineError):
                    ingest_folder(folder, embedder, index)
                run.server.requests.clear()
            return ingest_folder(folder, embedder, index), index

    return act


def command(*arguments: str) -> Act:
    """Run `rag` as a user does; the result is its exit code, output and errors."""

    def act(run: Run) -> object:
        from rag.cli.main import main

        places = {"INDEX": str(fresh_index()), "EMPTY": str(run.folder / "none"), "URL": run.server.url,
                  "CLOSED": closed_url(), "FOLDER": str(ready_documents())}  # fmt: skip
        words = [places.get(word, word) for word in arguments]
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(words)
        return code, out.getvalue(), err.getvalue()

    return act


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def under(act: Act, **variables: str) -> Act:
    """The act with variables of the environment set."""

    def inner(run: Run) -> object:
        with environment(**variables):
            return act(run)

    return inner


def closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return f"http://127.0.0.1:{unused.getsockname()[1]}/v1"


def nobody_there(run: Run) -> object:
    return embedding(url=closed_url())(run)


# --- what a server does ------------------------------------------------------------------------


def letters(text: str) -> list[float]:
    """Letters counted: texts with the same words are near each other."""
    return [1.0 + text.count(letter) for letter in "etaoinshr"]


def embed(request: Request, vector: Callable[[str], list[float]] = letters, **more) -> Reply:
    rows = embedding_rows([vector(text) for text in request.json["input"]])
    return as_json({"data": rows, **more})


def vectors(*rows: Sequence[float], encode: bool = False, **more: object) -> Reply:
    return as_json({"object": "list", "data": embedding_rows(rows, encode), "model": "stub", **more})  # fmt: skip


def rows(*values: object) -> Reply:
    """Embeddings as they stand, whatever they are."""
    return as_json({"data": [{"index": i, "embedding": v} for i, v in enumerate(values)]})


def native(*loaded: bool, context: int = 4096, embedding_context: int = 2048) -> Reply:
    """LM Studio's own list of a chat and an embedding model."""
    chat, embedder = loaded or (True, True)
    return as_json({"models": [
        {"type": "llm", "key": "stub-chat", "max_context_length": 131072,
         "loaded_instances": [{"id": "stub-chat", "config": {"context_length": context}}] * chat},
        {"type": "embedding", "key": "text-embedding-stub", "max_context_length": 8192,
         "loaded_instances": [{"id": "text-embedding-stub",
                               "config": {"context_length": embedding_context}}] * embedder},
    ]})  # fmt: skip


def openai_list(*ids: str, **more: object) -> Reply:
    return as_json({"object": "list", "data": [{"id": i, "object": "model", **more} for i in ids]})


def answer(*pieces: str, finish: str = "stop") -> Reply:
    chunks = [chunk(role="assistant"), *(chunk(p) for p in pieces), chunk("", finish)]
    return sse(*({**c, "model": "stub-chat"} for c in chunks))


def whole(content: object, finish: str = "stop", **message: object) -> Reply:
    """An answer of a server that does not stream."""
    return as_json({"choices": [{"index": 0, "finish_reason": finish,
                                 "message": {"role": "assistant", "content": content, **message}}]})  # fmt: skip


def usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}  # fmt: skip


def lm_studio(**paths: Behaviour | Sequence[Behaviour]) -> Script:
    """A server as LM Studio is, with other behaviours for `models`, `embed`, `chat`, `load`."""
    places = {"models": NATIVE, "embed": EMBED, "chat": CHAT, "load": LOAD}
    usual = {NATIVE: native(), EMBED: embed, CHAT: lambda _: answer("It is 22 Nm [1].")}
    return {**usual, **{places[name]: what for name, what in paths.items()}}


def cold(*loaded: bool, crash: Callable[[Request], bool] = lambda _: False) -> Script:
    """LM Studio with these models loaded; all are once it is told to, until one crashes."""
    state = {"loaded": loaded}
    falling = first_time(crash, CRASHED)

    def answer_texts(request: Request) -> Reply:
        reply = falling(request)
        if reply is CRASHED:
            state["loaded"] = (True, False)
        return reply

    def load(_request: Request) -> Reply:
        state["loaded"] = (True, True)
        return as_json({"status": "loaded"})

    return lm_studio(models=lambda _: native(*state["loaded"]), embed=answer_texts, load=load)


BOLTS = "# Mast\n\nThe bolts of the mast are tightened to 22 Nm with a torque wrench.\n"


@cache
def _place() -> Path:
    import atexit

    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def ready_documents() -> Path:
    folder = _place() / "documents"
    folder.mkdir()
    (folder / "mast.md").write_text(BOLTS, encoding="utf-8")
    for number in range(4):
        text = (
            f"# Note {number}\n\nA note about {['sail', 'rope', 'deck', 'anchor'][number]} care.\n"
        )
        (folder / f"note{number}.md").write_text(text, encoding="utf-8")
    return folder


@cache
def ready_index() -> Path:
    """An index of five small documents, made through a server without faults."""
    server = FaultServer()
    for path, behaviour in lm_studio().items():
        server.on(path, behaviour)
    with server.running(), pipeline(Run(server, _place())) as program:
        program.ingest(ready_documents())
    return _place() / "index"


def fresh_index() -> Path:
    """The ready index, with nothing remembered of servers."""
    (ready_index() / "models.json").unlink(missing_ok=True)
    return ready_index()


def once(reply: Behaviour, then: Behaviour = embed, times: int = 1) -> list[Behaviour]:
    return [reply] * times + [then]


def when(condition: Callable[[Request], bool], reply: Behaviour, otherwise: Behaviour = embed) -> Behaviour:  # fmt: skip
    """Answer one way or the other, as the request is."""

    def behave(request: Request) -> Reply:
        chosen = reply if condition(request) else otherwise
        return chosen(request) if callable(chosen) else chosen

    return behave


def has(*words: str) -> Callable[[Request], bool]:
    return lambda request: any(w in text for w in words for text in request.json["input"])


def slow(reply: Behaviour, seconds: float) -> Behaviour:
    def behave(request: Request) -> Reply:
        time.sleep(seconds)
        return reply(request) if callable(reply) else reply

    return behave


UNEXPECTED = as_json({"error": "Unexpected endpoint or method. (POST /embeddings)"})
HTML = Reply(b"<!doctype html><title>Welcome to the router</title>", headers={"Content-Type": "text/html"})  # fmt: skip
LOADING = fail("Loading model", 503, code=503, type="unavailable_error")
CRASHED = fail("The model has crashed without additional information. (Exit code: 6)", 400, bare=True)  # fmt: skip
LOST = fail("Model unloaded.", 400, bare=True)
NO_MODEL = (
    "No models loaded. Please load a model in the developer page or use the 'lms load' command."
)
WRONG_ID = fail('Invalid model identifier "x". Please specify a valid downloaded model (e.g., alpha, beta).',
                400, type="invalid_request_error", param="model", code="model_not_found")  # fmt: skip
TOKEN = fail("An LM Studio API token is required to make requests to this server, but none was provided "
             "using the Authorization header", 401, type="invalid_request", code="invalid_api_key")  # fmt: skip
TOO_LARGE = ("input (549 tokens) is too large to process. increase the physical batch size "
             "(current batch size: 512)")  # fmt: skip
NAN = fail("embedding contains NaN or Inf values", 400)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
REFUSED_FORMAT = fail("'response_format.type' must be 'json_schema' or 'text'", 400, bare=True)
EVENTS = {"Content-Type": "text/event-stream"}

# Words of each server, and the limit that stands in them.
OVERFLOWS: dict[str, tuple[str, int, int | None, dict[str, object]]] = {
    "LM Studio 0.3": ("Trying to keep the first 15857 tokens when context the overflows. However, the model "
                      "is loaded with context length of only 4096 tokens, which is not enough. Try to load "
                      "the model with a larger context length, or provide a shorter input", 400, 4096, {}),
    "LM Studio 0.4": ("The number of tokens to keep from the initial prompt is greater than the context "
                      "length (n_keep: 13055>= n_ctx: 4096). Try to load the model with a larger context "
                      "length, or provide a shorter input.", 400, 4096, {}),
    "llama.cpp embeddings": (TOO_LARGE, 500, 512, {"code": 500, "type": "server_error"}),
    "llama.cpp": ("request (4170 tokens) exceeds the available context size (4096 tokens), try increasing it",
                  400, 4096, {"type": "exceed_context_size_error", "n_prompt_tokens": 4170, "n_ctx": 4096}),
    "vLLM": ("You passed 8193 input tokens and requested 0 output tokens. However, the model's context "
             "length is only 8192 tokens, resulting in a maximum input length of 8192 tokens. Please reduce "
             "the length of the input prompt.", 400, 8192, {"type": "BadRequestError", "param": "input_tokens"}),
    "vLLM, older": ("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
                    400, 4096, {"code": 400}),
    "Ollama": ("the input length exceeds the context length", 400, None, {}),
    "Ollama, chat": ("the prompt is longer than the context length currently available to the model; shorten "
                     "the prompt", 400, None, {}),
    "LiteLLM": ("litellm.BadRequestError: OpenAIException - This model's maximum context length is 4096 "
                "tokens. Received Model Group=stub", 400, 4096, {"code": "400", "type": None}),
    "llama-cpp-python": ("This model's maximum context length is 512 tokens. However, you requested 549 "
                         "tokens (549 in the messages). Please reduce the length.", 400, 512,
                         {"code": "context_length_exceeded", "param": "messages"}),
}  # fmt: skip


# --- the table ---------------------------------------------------------------------------------
# A case on one line, more or less.

ONE = Gives([[0.6, 0.8]])
GOOD = vectors([3, 4])
DONE = Gives(lambda said, _run: said.text == "hello" and said.finish == "stop" and not said.error)
HELLO = answer("hel", "lo")


def refusals(holds: str, server: str, reply: Behaviour, expected: Fails) -> list[Case]:
    """The same fault for embeddings, and before the first word of an answer."""
    return [
        Case(holds, f"{server} (embeddings)", {EMBED: reply}, embedding(), expected),
        Case(holds, f"{server} (chat)", {CHAT: reply}, chatting(), expected),
    ]


def passing(holds: str, server: str, fault: Behaviour, times: int = 1) -> list[Case]:
    """A fault that a second try does not meet."""
    sent = Gives(lambda r, run: r == [[0.6, 0.8]] and len(run.sent) == times + 1)
    return [
        Case(holds, f"{server}, then well (embeddings)", {EMBED: once(fault, GOOD, times)}, embedding(), sent),
        Case(holds, f"{server}, then well (chat)", {CHAT: once(fault, HELLO, times)}, chatting(), DONE),
    ]  # fmt: skip


def has_limit(limit: int | None) -> Callable[[PipelineError], bool]:
    return lambda error: isinstance(error, ContextOverflow) and error.limit_tokens == limit


def overflows() -> Iterator[Case]:
    for who, (text, status, limit, more) in OVERFLOWS.items():
        expected = Fails(ContextOverflow, text[:40], "context", sent=1, what=has_limit(limit))
        for bare in (False, True):
            shape = "string" if bare else "object"
            reply = fail(text, status, bare=True) if bare else fail(text, status, **more)
            yield from refusals("15 C25 Q1", f"overflow of {who} as {shape}", reply, expected)
            told = sse({"error": text if bare else {"message": text, **more}})
            yield Case("15 C25 31", f"overflow of {who} as {shape} in a stream", {CHAT: told}, chatting(), expected)  # fmt: skip


def connection() -> Iterator[Case]:
    broke = Fails(EndpointUnreachable, "broke", "server", sent=3)
    head = raw_reply(b"", 500)
    yield Case("37 C1 Q19", "nobody listens", {}, nobody_there, Fails(EndpointUnreachable, "no server at", "lms server start"), seconds=1)  # fmt: skip
    yield Case("37 C1 Q19", "nobody listens, a question is asked", {}, command("ask", "--endpoint", "CLOSED", "--index", "INDEX", QUESTION), Gives(partial(told_at_once, "lms server start")), seconds=5)  # fmt: skip
    yield Case("37 C1", "nobody listens, a folder is ingested: no silent change to the embedded model", {}, command("ingest", "FOLDER", "--endpoint", "CLOSED", "--index", "EMPTY"), Gives(partial(told_at_once, "--embedded")), seconds=5)  # fmt: skip
    dead = "http://127.0.0.1:9"
    yield Case("3 C2", "well, behind the proxy of the environment that is dead", {EMBED: GOOD}, under(embedding(), HTTP_PROXY=dead, HTTPS_PROXY=dead, ALL_PROXY=dead, http_proxy=dead, all_proxy=dead), ONE)  # fmt: skip
    yield Case("3 C2", "the list of models, behind a dead proxy", {NATIVE: native()}, under(listing(), HTTP_PROXY=dead, ALL_PROXY=dead, NO_PROXY=""), Gives(lambda offer, _: len(offer.models) == 2))  # fmt: skip
    for where, fault in {
        "resets before the head": Reply(fault="reset"),
        "closes before the head": Reply(b"", raw=True, fault="close"),
        "resets after the head": Reply(head, raw=True, fault="reset"),
        "resets in mid head": Reply(head[:20], raw=True, fault="reset"),
    }.items():
        yield from passing("17 C3", where, fault)
        yield from refusals("17 C3 37", f"{where}, always", fault, broke)
    for where, body in {
        "closes before the promised length": Reply(b'{"data": [', fault="short"),
        "resets in mid body": Reply(raw_reply(b'{"data": [', 900), raw=True, fault="reset"),
        "ends a chunked body early": Reply([b'{"data"', b": ["], fault="close"),
    }.items():
        yield from passing("17 C4", where, body)
        yield Case("17 C4 37", f"{where}, always", {EMBED: body}, embedding(), broke)
    late = Timeouts(1, 0.3, 0.3, 0.01, 1)
    timeout = Fails(EndpointUnreachable, "in time", "RAG_RESPONSE_TIMEOUT_SECONDS", sent=2)
    for case in refusals(
        "4 17 C5 Q8", "first byte after the limit", Reply(b"{}", delay=1.2), timeout
    ):
        act = embedding(timeouts=late) if "embed" in case.name else chatting(late)
        yield Case(case.holds, case.server, case.script, act, case.expect, seconds=3)
    yield Case("4 C5 Q18", "first byte late, within the limit", {EMBED: slow(GOOD, 0.4)}, embedding(), ONE)  # fmt: skip
    yield Case("4 C5 Q18", "first word late, later than an idle stream may be", {CHAT: slow(HELLO, 0.4)}, chatting(Timeouts(1, 3, 0.2, 0.01, 1)), DONE)  # fmt: skip
    yield Case("4 C5 Q18", "600 seconds for a first byte and 60 between pieces unless set", {}, lambda _: Timeouts(), Gives(Timeouts(3, 600, 60, 0.5, 300)))  # fmt: skip
    yield Case("4 C6", "closes idle connections after 0.03 s, asked in steps around that", {EMBED: GOOD}, idle_race, Gives(lambda failed, _: failed == 0), seconds=15, idle_seconds=0.03)  # fmt: skip
    yield Case("4 C6", "closes idle connections after 5 s, as LM Studio does", {EMBED: GOOD}, idle_once, Gives(lambda failed, _: failed == 0), seconds=8, idle_seconds=5)  # fmt: skip


def told_at_once(fix: str, result, _run) -> bool:
    code, _out, err = result
    assert code == 1
    assert "Traceback" not in err
    assert len(re.findall("^error: ", err, re.MULTILINE)) == 1
    assert fix in err, err
    return True


def idle_race(run: Run) -> int:
    """Send with pauses around the server's limit; the connection is made anew where it broke.

    The client drops its connections after 3 s, later than this server: what is tested is that
    a request that meets a closing line is sent again.
    """
    failed = 0
    with connected(run) as endpoint:
        for step in range(60):
            try:
                endpoint.embed("stub", ["a"])
            except EndpointError:
                failed += 1
            time.sleep(0.03 + (step % 20 - 10) * 0.0005)
    return failed


def idle_once(run: Run) -> int:
    """Two connections' worth of requests, 3.5 s apart: the client must have let go by itself."""
    with connected(run) as endpoint:
        endpoint.embed("stub", ["a"])
        time.sleep(3.3)
        endpoint.embed("stub", ["a"])
    return len(run.told)


def limits() -> Iterator[Case]:
    """Answers that never end, or are too large for any machine."""
    brief = Timeouts(1, 0.25, 0.2, 0.01, 1)
    never = Fails(EndpointError, "", "", sent=3)
    # The server gives up by itself in the end; it must be the client that did.
    ended = Fails(EndpointError, "", "", sent=3, what=lambda e: "broke" not in e.message)
    blanks = [b" " * (1 << 20)] * 300
    word = event(chunk("word "))

    def drip(
        *first: bytes, piece: bytes = b" ", raw: bool = False, pace: float = 0.02
    ) -> Behaviour:
        return lambda _: Reply(itertools.chain(first, endless(piece, 0.7)), raw=raw, pace=pace)

    def flood(*first: bytes, piece: bytes, pace: float = 0.0) -> Behaviour:
        return lambda _: as_stream(itertools.chain(first, endless(piece, 1.6)), pace=pace)

    head = b"HTTP/1.1 200 OK\r\n"
    for holds, name, reply in (
        ("14 37", "an answer without end", drip(piece=b" " * 65536, pace=0)),
        ("14 37", "a byte every 20 ms for ever", drip()),
        (
            "14 37",
            "a byte of the head every 20 ms for ever",
            drip(head + b"X: ", piece=b"x", raw=True),
        ),
        (
            "14 37",
            "a head without end",
            drip(head, piece=b"X: " + b"x" * 4000 + b"\r\n", raw=True, pace=0),
        ),
    ):
        yield Case(holds, name, {EMBED: reply}, embedding(timeouts=brief), ended, seconds=2.5)
        if "head" not in name:
            yield Case(holds, f"{name} (chat)", {CHAT: reply}, chatting(brief), ended, seconds=2.5)
    yield Case("14 37", "a byte of the list of models every 20 ms for ever", {NATIVE: drip()}, listing(brief), ended, seconds=2.5)  # fmt: skip
    yield Case("14 4", "a good answer, byte by byte", {EMBED: lambda _: Reply(one_by_one(bytes_of(GOOD)), pace=0.001)}, embedding(), ONE)  # fmt: skip
    large = Fails(BadResponse, "MB", "", sent=1)
    yield Case("14 37", "300 MB of blanks", {EMBED: Reply(blanks)}, embedding(), large)
    bomb, packed = (gzip_bomb(256), with_headers(Reply(gzip.compress(bytes_of(GOOD))), Content_Encoding="gzip"))  # fmt: skip
    small = Fails(BadResponse, "compress", "", sent=1)
    yield Case("14 37", "a small gzip body of 256 MB", {EMBED: bomb}, embedding(), small, seconds=1)
    yield Case("14 37", "a small gzip body of 256 MB as a list", {NATIVE: bomb}, listing(), small, seconds=1)  # fmt: skip
    yield Case("14 37", "a small gzip body of 256 MB as a stream", {CHAT: with_headers(bomb, Content_Type=EVENTS["Content-Type"])}, chatting(), small, seconds=1)  # fmt: skip
    yield Case("14", "gzip though nobody asked for it", {EMBED: packed}, embedding(), small)
    yield Case("14", "compression is not asked for", {EMBED: GOOD}, embedding(), Gives(lambda _, run: run.sent[0].headers.get("accept-encoding", "identity") == "identity"))  # fmt: skip
    cut = Gives(lambda said, _: said.finish == "length" and said.text.startswith("word word"))
    yield Case("25 30 14", "an answer of words without end", {CHAT: flood(piece=word)}, chatting(tokens=50), cut)  # fmt: skip
    yield Case("25 30 14", "words without end after a finish reason", {CHAT: flood(word * 2, event(chunk("", "stop")), piece=word)}, chatting(tokens=50), Gives(lambda said, _: said.finish in ("stop", "length")))  # fmt: skip
    for name, reply in (
        ("one event without an end", flood(b'data: {"a": "', piece=b"x" * 65536)),
        ("empty deltas without end", flood(piece=event(chunk("")), pace=0.01)),
        ("empty deltas without end, as fast as they go", flood(piece=event(chunk("")))),
        ("comments without end", flood(piece=b": ping\n\n", pace=0.01)),
        ("blank lines without end", flood(piece=b"\n" * 4096)),
    ):
        yield Case("30 14", name, {CHAT: reply}, chatting(brief), never, seconds=1.4)
    for status in (301, 302, 307, 308):
        moved = with_headers(Reply(b"", status), Location="http://192.0.2.1/v1/embeddings")
        refused = Fails(EndpointError, "192.0.2.1", "RAG_ENDPOINT", sent=1)
        yield from refusals("14 36", f"{status} to another host: nothing is sent there", moved, refused)  # fmt: skip
    moved = with_headers(Reply(b"", 302), Location="http://192.0.2.1/")
    yield Case("14 36", "302 to another host for the list of models", dict.fromkeys((NATIVE, "/api/v0/models", MODELS), moved), listing(), Fails(EndpointError, "192.0.2.1", "RAG_ENDPOINT"), seconds=2)  # fmt: skip


def errors() -> Iterator[Case]:
    nothing = Fails(ModelUnavailable, "No models loaded", "lms load", sent=1)
    yield from refusals("13 C7", "404 no models loaded, object", fail(NO_MODEL, 404, type="invalid_request_error", code="model_not_found"), nothing)  # fmt: skip
    yield from refusals("13 C15", "400 no models loaded, string", fail(NO_MODEL, 400, bare=True), nothing)  # fmt: skip
    yield from refusals("13 C16", "400 model_not_found", WRONG_ID, Fails(ModelUnavailable, "alpha, beta", "rag doctor", sent=1))  # fmt: skip
    details = as_json({"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]}, 422)  # fmt: skip
    yield from refusals("13 C16 Q16", "422 with a list of details", details, Fails(RequestRefused, "messages", sent=1))  # fmt: skip
    yield from refusals("13 C16", "422 with a list of details: its words", details, Fails(RequestRefused, "Field required", sent=1))  # fmt: skip
    yield from refusals("13 C11 17", "401 token of LM Studio required", TOKEN, Fails(AuthenticationFailed, "token is required", "RAG_API_KEY", sent=1))  # fmt: skip
    yield from refusals("13 C11", "200 with the words of a refused key", as_json({"error": {"message": "An LM Studio API token is required"}}), Fails(AuthenticationFailed, "token is required", "RAG_API_KEY", sent=1))  # fmt: skip
    yield from refusals("13 C11", "403 without a word", Reply(b"", 403), Fails(AuthenticationFailed, "403", "RAG_API_KEY", sent=1))  # fmt: skip
    unauthorised = fail("Invalid API Key", 401, code=401, type="authentication_error")
    yield Case("13 C11 Q17", "401 for the list of models", dict.fromkeys((NATIVE, "/api/v0/models", MODELS), unauthorised), listing(), Fails(AuthenticationFailed, "Invalid API Key", "RAG_API_KEY"))  # fmt: skip
    yield Case("13 C11", "401, and the key is not shown", {EMBED: TOKEN}, embedding(key="sk-very-secret"), Fails(AuthenticationFailed, "", "", what=lambda e: "sk-very" not in e.message + e.hint))  # fmt: skip
    yield from refusals("17", "404 of FastAPI", as_json({"detail": "Not Found"}, 404), Fails(EndpointError, "Not Found", "ENDPOINT", sent=1))  # fmt: skip
    for status in (400, 404, 422):
        yield from refusals("17", f"{status} without words is not tried again", fail("no", status), Fails(EndpointError, "no", "", sent=1))  # fmt: skip
    for status in (408, 409, 429, 500, 502, 503, 504):
        yield from passing("17 C9", f"{status} once", fail("oops", status))
    yield from refusals("17 C9", "500 always", fail("oops", 500), Fails(EndpointError, "oops", "", sent=3))  # fmt: skip
    yield from refusals("13 Q16 17", "500 in plain text", Reply(b"Internal Server Error", 500, {"Content-Type": "text/plain"}), Fails(EndpointError, "Internal Server Error", "log", sent=3))  # fmt: skip
    yield from refusals("13 Q16", "502 with a page of a proxy", Reply(b"<html><body><h1>502 Bad Gateway</h1>" + b"x" * 5000 + b"</body></html>", 502, {"Content-Type": "text/html"}), Fails(EndpointError, "502", "", what=lambda e: len(e.message) < 600))  # fmt: skip
    shapes = {
        "error and code as numbers": {"error": {"code": 400, "message": "too odd", "type": "invalid_request_error"}},
        "code as a string": {"error": {"code": "400", "message": "too odd", "type": "None", "param": None}},
        "error a string": {"error": "too odd"}, "detail a string": {"detail": "too odd"},
        "message alone": {"message": "too odd"}, "error within detail": {"detail": {"error": "too odd"}},
        "object message": {"object": "error", "message": "too odd", "code": 400},
        "a list": [{"error": {"message": "too odd"}}], "error a list": {"error": ["too odd"]},
        "a JSON string": "too odd",
    }  # fmt: skip
    for name, body in shapes.items():
        yield from refusals("13 Q16", f"400, {name}", as_json(body, 400), Fails(RequestRefused, "too odd", "", sent=1))  # fmt: skip
    yield from refusals("13 Q16", "400 in bytes that are no text", Reply(b"\xff\xfe too odd", 400), Fails(RequestRefused, "too odd", "", sent=1))  # fmt: skip
    yield from refusals("13 Q16", "400 and no body", Reply(b"", 400), Fails(RequestRefused, "400", "", sent=1))  # fmt: skip
    yield from refusals("13 Q16", "400, the error is null", as_json({"error": None}, 400), Fails(RequestRefused, "", "", sent=1))  # fmt: skip
    echo = as_json({"detail": [{"loc": ["body", "input"], "msg": "at most 2048 items", "input": ["word"] * 30000}] }, 422)  # fmt: skip
    yield from refusals("13 Q8", "422 that echoes 240 KB of input", echo, Fails(RequestRefused, "at most 2048", "", sent=1, what=lambda e: len(e.message) < 600))  # fmt: skip
    kind = "RAG_EMBEDDING_ENDPOINT"
    for who, reply in {
        "501 of llama.cpp": fail(
            "This server does not support embeddings. Start it with `--embeddings`",
            501,
            code=501,
            type="not_supported_error",
        ),
        "500 of llama-cpp-python": fail(
            "Llama model must be created with embedding=True to call this method", 500
        ),
    }.items():
        yield Case("13 17 Q10", f"{who}: embeddings of a chat server", {EMBED: reply}, embedding(), Fails(ModelUnavailable, "embedding", kind, sent=1))  # fmt: skip
    yield Case("13 17 Q10", "500 of llama.cpp: chat of an embedding server", {CHAT: fail("the current context does not support logits computation. skipping", 500)}, chatting(), Fails(ModelUnavailable, "logits", "RAG_CHAT_ENDPOINT", sent=1))  # fmt: skip
    yield Case("13 17 Q10", "400 of Ollama: chat of an embedding model", {CHAT: fail('"stub" does not support chat', 400)}, chatting(), Fails(ModelUnavailable, "does not support chat", "RAG_CHAT", sent=1))  # fmt: skip
    model = Fails(ModelUnavailable, "not found", "rag doctor", sent=1)
    yield from refusals("13 17", "404 of Ollama: model not pulled", fail('model "stub" not found, try pulling it first', 404, bare=True), model)  # fmt: skip
    yield from refusals("13 17 Q5", "404 of vLLM: no such model", fail("The model `stub` does not exist.", 404, type="NotFoundError"), Fails(ModelUnavailable, "does not exist", "rag doctor", sent=1))  # fmt: skip
    fields = as_json({"detail": "Unexpected fields in the request: {'stream_options'}"}, 422)
    yield Case("13 Q15", "422 for a field that transformers does not know", {CHAT: fields}, chatting(), Fails(RequestRefused, "Unexpected fields", "", sent=2))  # fmt: skip


def shapes_of_200() -> Iterator[Case]:
    v1 = Fails(BadResponse, "Unexpected endpoint", "/v1", sent=1)
    yield from refusals("14 C12", "200 unexpected endpoint", UNEXPECTED, v1)
    yield Case("14 C12", "200 unexpected endpoint (models)", {}, listing(), v1)
    yield Case("14 C12 32", "200 unexpected endpoint as the only event of a stream", {CHAT: sse({"error": "Unexpected endpoint or method. (POST /chat/completions)"})}, chatting(), v1)  # fmt: skip
    yield Case("14 C12", "200 unexpected endpoint (native load)", {}, native_post, v1)
    page = Fails(BadResponse, "text/html", "/v1", sent=1)
    yield from refusals("14 C13", "200 text/html", HTML, page)
    yield Case("14 C13", "200 text/html (models)", dict.fromkeys((NATIVE, "/api/v0/models", MODELS), HTML), listing(), Fails(BadResponse, "models", "/v1"))  # fmt: skip
    for name, body in {
        "{}": {},
        "a list": [],
        "null": None,
        "a string": "hi",
        "a number": 1,
        "another object": {"status": "ok"},
    }.items():
        yield from refusals("14 C14 29", f"200 {name}", as_json(body), Fails(BadResponse, "", "/v1", sent=1))  # fmt: skip
        yield Case("14 C14 23", f"200 {name} (models)", {path: as_json(body) for path in (NATIVE, "/api/v0/models", MODELS)}, listing(), Fails(BadResponse, "models", "/v1"))  # fmt: skip
    yield from refusals("14 C14", "200 and no body", Reply(b""), Fails(BadResponse, "", "", sent=3))
    yield from refusals("14 C14", "200 half of the JSON", Reply(b'{"data": [{"index": 0, "embedd'), Fails(BadResponse, "", "", sent=3))  # fmt: skip
    yield from refusals("13 14", "200 with an error object", as_json({"error": {"message": "out of memory on device 0"}}), Fails(EndpointError, "out of memory", "", sent=3))  # fmt: skip
    yield Case("14 C14", "200 deep JSON", {EMBED: Reply(b"[" * 100_000)}, embedding(), Fails(BadResponse, "", "", sent=3))  # fmt: skip
    yield Case("13 14", "an error that is false is none", {EMBED: vectors([3, 4], error=None)}, embedding(), ONE)  # fmt: skip
    yield Case("23", "200 with an error to every path but /v1/models", {MODELS: openai_list("alpha", "text-embedding-beta")}, listing(), Gives(lambda offer, _: [m.id for m in offer.models] == ["alpha", "text-embedding-beta"] and offer.source == MODELS))  # fmt: skip
    yield Case("23 13", "rows of models that are no models", {NATIVE: as_json({"models": [None, 1, {}, {"key": 3}]}), MODELS: as_json({"data": [None, {"id": 5}, {"id": "alpha"}]})}, listing(), Gives(lambda offer, _: [m.id for m in offer.models] == ["alpha"]))  # fmt: skip
    yield Case("23 13", "fields of the wrong type in the native list", {NATIVE: as_json({"models": [
        {"type": 7, "key": "alpha", "loaded_instances": [{"config": None}], "max_context_length": "many"},
        {"type": "llm", "key": "beta", "loaded_instances": [None], "quantization": "q4"}]})}, listing(),
        Gives(lambda offer, _: [m.id for m in offer.models] == ["alpha", "beta"]))  # fmt: skip
    yield Case("23 21", "no model at all", {NATIVE: as_json({"models": []}), MODELS: openai_list()}, embedding_documents("a"), Fails(ModelUnavailable, "no embedding model", "lms "))  # fmt: skip


def native_post(run: Run) -> object:
    with connected(run) as endpoint:
        return endpoint.post(LOAD, {"model": "stub"})


def waiting() -> Iterator[Case]:
    waited = Gives(lambda r, run: r == [[0.6, 0.8]] and any("Loading model" in t for t in run.told))
    yield Case("17 C8", "503 loading model three times, then well", {EMBED: once(LOADING, GOOD, 3)}, embedding(), waited)  # fmt: skip
    yield Case("17 C8", "503 loading model three times, then well (chat)", {CHAT: once(LOADING, HELLO, 3)}, chatting(), DONE)  # fmt: skip
    yield Case("17 C8", "503 loading model three times, then well (models)", {NATIVE: once(LOADING, native(), 3)}, listing(), Gives(lambda offer, run: len(offer.models) == 2 and run.told))  # fmt: skip
    brief = Timeouts(1, 3, 0.5, 0.01, 0.4)
    for what, act in {"embeddings": embedding(timeouts=brief), "chat": chatting(brief)}.items():
        yield Case("17 C8", f"503 loading model for ever ({what})", dict.fromkeys((EMBED, CHAT), LOADING), act, Fails(ServerBusy, "Loading model", "wait"), seconds=2)  # fmt: skip
    yield Case("17 C8", "503 of Ollama's full queue, then well", {EMBED: once(fail("server busy, please try again.  maximum pending requests exceeded", 503), GOOD)}, embedding(), ONE)  # fmt: skip
    yield Case("17 C8", "400 a model is loading, then well", {EMBED: once(fail("Model is loading, try again", 400, bare=True), GOOD)}, embedding(), ONE)  # fmt: skip
    soon = with_headers(fail("slow down", 429), Retry_After="1")
    yield Case("17 C10", "429 Retry-After: 1, then well", {EMBED: once(soon, GOOD)}, timed(embedding()), Gives(lambda r, _: r[0] == [[0.6, 0.8]] and 1.0 <= r[1] < 2.0))  # fmt: skip
    yield Case("17 C10", "503 Retry-After: 0.3 for the list of models, then well", {NATIVE: once(with_headers(fail("busy", 503), Retry_After="0.3"), native())}, timed(listing()), Gives(lambda r, _: len(r[0].models) == 2 and 0.3 <= r[1] < 1.2))  # fmt: skip
    long = with_headers(fail("slow down", 429), Retry_After="180")
    for load in (1, 120):
        yield Case("17 C10", f"429 Retry-After: 180, and {load} s may be waited", {EMBED: long}, embedding(timeouts=Timeouts(load=load)), Fails(ServerBusy, "180", "", sent=1), seconds=2)  # fmt: skip
    longest = embedding(timeouts=Timeouts(load=100_000))
    yield Case("17 C10", "429 Retry-After: 9000, though loading may take a day", {EMBED: with_headers(fail("slow down", 429), Retry_After="9000")}, longest, Fails(ServerBusy, "9000", "", sent=1), seconds=2)  # fmt: skip
    for value in ("", "soon", "-5", "nan", "inf", "1e400", "Wed, 21 Oct 2026 07:28:00 GMT"):
        odd = with_headers(fail("slow down", 429), Retry_After=value)
        yield Case("17 C10", f"429 Retry-After: {value!r}, then well", {EMBED: once(odd, GOOD)}, embedding(), ONE, seconds=3)  # fmt: skip
    yield Case("17 C26", "model crashed, then well", {EMBED: once(CRASHED, GOOD)}, embedding(), ONE)
    yield Case("17 C26", "model unloaded, then well (chat)", {CHAT: once(LOST, HELLO)}, chatting(), DONE)  # fmt: skip
    yield Case("17 C26 31", "model unloaded as the first event, then well", {CHAT: once(sse({"error": "Model unloaded."}), HELLO)}, chatting(), DONE)  # fmt: skip
    yield from refusals("17 C26", "model crashed, always", CRASHED, Fails(ModelLost, "crashed", "load", sent=3))  # fmt: skip
    yield Case("17 C26", "model crashed: the owner of the endpoint is told", {EMBED: once(CRASHED, GOOD)}, losing, Gives(lambda lost, _: lost == 1))  # fmt: skip
    yield Case("17 C26", "400 failed to load model", {EMBED: fail("Failed to load model \"stub\". Error: unknown model architecture", 400)}, embedding(), Fails(ModelUnavailable, "Failed to load", "", sent=3))  # fmt: skip


def timed(act: Act) -> Act:
    def inner(run: Run) -> object:
        started = time.monotonic()
        result = act(run)
        return result, time.monotonic() - started

    return inner


def losing(run: Run) -> int:
    calls: list[object] = []
    with connected(run) as endpoint:
        endpoint.on_lost = lambda *what: calls.append(what)
        endpoint.embed("stub", ["a"])
    return len(calls)


def vectors_of_every_kind() -> Iterator[Case]:
    three = embedding("a", "b", "c")
    right = Gives([[0.6, 0.8], [0.0, 1.0], [1.0, 0.0]])
    good = embedding_rows([[3, 4], [0, 2], [1, 0]])
    yield Case("5 9 C21", "base64, as asked for", {EMBED: as_json({"data": embedding_rows([[3, 4], [0, 2], [1, 0]], True)})}, three, right)  # fmt: skip
    yield Case("5 9 C21 Q2 Q3", "floats, not of length one", {EMBED: as_json({"data": good})}, three, right)  # fmt: skip
    yield Case("5", "base64 and floats mixed", {EMBED: as_json({"data": [embedding_rows([[3, 4]], True)[0], *good[1:]]})}, three, right)  # fmt: skip
    yield Case("5 10 Q4 Q15", "what is sent: model, input, encoding_format", {EMBED: GOOD}, embedding("a b"), Gives(lambda _, run: run.sent[0].json == {"model": "stub", "input": ["a b"], "encoding_format": "base64"}))  # fmt: skip
    yield Case("6 C17", "rows in reverse order", {EMBED: as_json({"data": good[::-1]})}, three, right)  # fmt: skip
    yield Case("6 C17", "rows shuffled", {EMBED: as_json({"data": [good[1], good[2], good[0]]})}, three, right)  # fmt: skip
    bad = Fails(BadResponse, "", "", sent=3)
    for name, data in {
        "one row too few": good[:2],
        "one row too many": [*good, good[0]],
        "no row": [],
        "one row for the list": good[:1],
        "the same index twice": [good[0], good[0], good[2]],
        "indexes from 1": [{**r, "index": r["index"] + 1} for r in good],
        "negative indexes": [{**r, "index": -r["index"]} for r in good],
        "all of index 0": [{**r, "index": 0} for r in good],
        "indexes as words": [{**r, "index": "first"} for r in good],
        "indexes null": [{**r, "index": None} for r in good],
        "no index": [{"embedding": [1.0]} for _ in good],
        "rows that are null": [None] * 3,
        "rows that are lists": [[1.0]] * 3,
    }.items():
        yield Case("6 C18", name, {EMBED: as_json({"data": data})}, three, bad)
    yield Case("7 C19", "the last vector is shorter", {EMBED: rows([1, 2], [1, 2], [1])}, three, Fails(BadResponse, "length", "model", sent=3))  # fmt: skip
    yield Case("7 C19", "two lengths in one answer: both are named", {EMBED: vectors([1.0] * 768, [1.0] * 384)}, embedding("a", "b"), Fails(BadResponse, "768", "", what=lambda e: "384" in e.message))  # fmt: skip
    for name, row in {
        "NaN": [math.nan, 1.0],
        "infinite": [math.inf, 1.0],
        "null in it": [None, 1.0],
        "null": None,
        "zeros": [0.0, 0.0],
        "empty": [],
        "nested": [[1.0], [2.0]],
        "words": ["a", "b"],
        "a number": 7,
        "an object": {"a": 1},
        "huge": [1e300, 1e300],
        "tiny": [1e-46, 1e-46],
    }.items():
        yield Case("8 C20", f"a vector is {name}", {EMBED: rows([1, 2], row, [3, 4])}, three, bad)
    for name, row in {"NaN": [math.nan, 1], "infinite": [math.inf, 1], "zeros": [0, 0]}.items():
        packed = embedding_rows([[1, 2], row, [3, 4]], True)
        yield Case("8 C20", f"a base64 vector is {name}", {EMBED: as_json({"data": packed})}, three, Fails(BadResponse, "text 2", "model", sent=3))  # fmt: skip
    for name, text in {
        "cut": "AACAPwAAA",
        "five bytes": "AAAAAAA=",
        "empty": "",
        "no base64": "****",
    }.items():
        yield Case("5 C21", f"base64 {name}", {EMBED: rows(text)}, embedding(), bad)
    yield Case("5 C21", "base64 cut once, then well", {EMBED: once(rows("AAAAAAA="), GOOD)}, embedding(), ONE)  # fmt: skip
    for name, more in {
        "0": {"usage": usage(0, 0)},
        "missing": {},
        "null": {"usage": None},
        "of characters": {"usage": usage(5590, 0)},
        "words": {"usage": {"prompt_tokens": "many"}},
    }.items():
        yield Case("34 C22 Q9", f"usage {name}", {EMBED: vectors([3, 4], **more)}, embedding(), ONE)
    yield Case("10 Q7", "well; a text holds half a surrogate pair", {EMBED: GOOD}, embedding("a\ud800b"), Gives(lambda _, run: run.sent[0].json["input"] == ["a?b"]))  # fmt: skip
    yield Case("10 Q7", "well; a question holds half a surrogate pair", {CHAT: HELLO}, surrogate_question, Gives(lambda text, _: text == "hello"))  # fmt: skip


def surrogate_question(run: Run) -> str:
    with connected(run) as endpoint:
        return "".join(
            d.text for d in endpoint.stream("stub", [Message("user", "a\udfffb")], 9, 0.0)
        )


def batches() -> Iterator[Case]:
    """A text that spoils its batch: found by halving, the others embedded."""
    texts = ("one", "two", "poison", "four")
    spoilt = Fails(TextsRejected, "", "", what=lambda e: set(e.reasons) == {2} and len(e.vectors) == 3)  # fmt: skip
    for holds, name, reply in (
        ("16 C27", "NaN in the embedding of a text", NAN),
        ("16 C28", "400 for a batch with one text", fail("cannot embed this", 400)),
        (
            "16 8 C20",
            "a vector of zeros",
            lambda r: embed(r, lambda t: [0.0] * 9 if "poison" in t else letters(t)),
        ),
        (
            "16 8 C20",
            "a vector of null",
            lambda r: embed(r, lambda t: [math.nan] * 9 if "poison" in t else letters(t)),
        ),
    ):
        yield Case(holds, f"{name} in mid batch", {NATIVE: native(), EMBED: when(has("poison"), reply)}, embedding_documents(*texts), spoilt)  # fmt: skip
    long = ("one", "two", "poison " * 549, "four")
    too_long = {NATIVE: native(), EMBED: when(has("poison"), fail(TOO_LARGE, 500))}
    yield Case("16 15 C24", "500 too large for one text in mid batch: it is to be cut, the others are embedded", too_long, embedding_documents(*long), Fails(TextsRejected, "", "", what=lambda e: (set(e.reasons), set(e.too_long), len(e.vectors)) == ({2}, {2}, 3)))  # fmt: skip
    yield Case("16 15 C24", "500 too large for one text: no blind second try", too_long, counted(embedding_documents(*long)), Gives(lambda n, _: n <= 7))  # fmt: skip
    yield Case("16", "400 for every text is the server's fault, not the texts'", {NATIVE: native(), EMBED: [embed, fail("cannot embed this", 400)]}, embedding_documents(*texts), Fails(RequestRefused, "cannot embed", ""))  # fmt: skip
    yield Case("7 C19", "documents in another dimension than the probe", {NATIVE: native(), EMBED: [embed, lambda r: embed(r, lambda t: letters(t)[:5])]}, embedding_documents("one", "two"), Fails(BadResponse, " 9 ", "", what=lambda e: " 5 " in e.message))  # fmt: skip
    yield Case("12", "vectors of a batch in another order than their texts", lm_studio(embed=shuffling), ingesting(NOTES), Gives(right_or_told))  # fmt: skip
    yield Case("12", "one and the same vector for every text", lm_studio(embed=lambda r: embed(r, lambda _t: [1.0, 2.0])), ingesting(NOTES), Fails(PipelineError, "", ""))  # fmt: skip


def counted(act: Act) -> Act:
    """The number of requests that an act takes, whatever comes of it."""

    def inner(run: Run) -> int:
        with suppress(PipelineError):
            act(run)
        return len(run.sent)

    return inner


NOTES = {f"note{n}.md": f"# {word}\n\n{word} {word * 3} is kept in locker {n}.\n" for n, word in enumerate(("Rope", "Sail", "Hull"))}  # fmt: skip


def shuffling(request: Request) -> Reply:
    """Ollama's old fault: a batch comes back in another order, numbered as if it were right."""
    texts = request.json["input"]
    return as_json({"data": embedding_rows([letters(text) for text in [*texts[1:], *texts[:1]]])})


def right_or_told(_result, run: Run) -> bool:
    """Every document went alone, for the server was not trusted with several."""
    kept = [r.json["input"] for r in run.sent if has("locker")(r)]
    return all(len(texts) == 1 for texts in kept)


def streams() -> Iterator[Case]:
    end = {**chunk(), "choices": [], "usage": usage(7, 2)}
    yield Case("29 C35", "usage chunk without choices", {CHAT: sse(chunk("hello"), chunk("", "stop"), end)}, chatting(), Gives(lambda s, _: (s.text, s.finish, s.usage) == ("hello", "stop", Usage(7, 2))))  # fmt: skip
    yield Case("29 C35 Q12", "usage chunk with an empty delta (LiteLLM)", {CHAT: sse(chunk("hello"), chunk("", "stop"), {"choices": [{"delta": {}}], "usage": usage(7, 2)})}, chatting(), Gives(lambda s, _: (s.text, s.usage) == ("hello", Usage(7, 2))))  # fmt: skip
    yield Case("29 Q12", "usage on the last chunk unasked, no [DONE] (transformers)", {CHAT: sse(chunk("hello"), {**chunk("", "stop"), "usage": usage(7, 2)}, done=False)}, chatting(), Gives(lambda s, _: (s.text, s.finish, s.usage) == ("hello", "stop", Usage(7, 2))))  # fmt: skip
    yield Case("29 Q12", "no role (llama.cpp)", {CHAT: sse(chunk("hello"), chunk("", "stop"))}, chatting(), DONE)  # fmt: skip
    yield Case("29 Q12", "role and empty strings first (llama-cpp-python)", {CHAT: sse(chunk(role="assistant"), chunk(""), chunk("hello"), chunk(None, "stop"))}, chatting(), DONE)  # fmt: skip
    yield Case("29 Q12", "the name echoed with @main", {CHAT: sse({**chunk("hello"), "model": "stub@main"}, chunk("", "stop"))}, chatting(), DONE)  # fmt: skip
    odd = [chunk("hello"), {**chunk(), "choices": []}, {**chunk(), "choices": None}, {**chunk(), "choices": [{"delta": None}]}, {**chunk(), "choices": [{}]}, {**chunk(), "choices": [None]}, {**chunk(), "usage": None}, {"choices": [{"delta": {"content": None}}]}, {}, chunk("", "stop")]  # fmt: skip
    yield Case("29 C29", "null and empty choices, deltas and usage in between", {CHAT: sse(*odd)}, chatting(), DONE)  # fmt: skip
    yield Case("29", "fields of the wrong type", {CHAT: sse({"choices": {"0": 1}}, {"choices": [{"delta": "x"}]}, {"choices": [{"delta": {"content": 5}}], "usage": []}, chunk("hello"), chunk("", "stop"))}, chatting(), DONE)  # fmt: skip
    yield Case("29 C29", "choices empty, nothing else (not streamed)", {CHAT: as_json({"choices": []})}, chatting(), Fails(BadResponse, "", "", sent=3))  # fmt: skip
    yield Case("32 C12 Q11", "no event at all", {CHAT: sse(done=False)}, chatting(), Fails(BadResponse, "empty", "", sent=3))  # fmt: skip
    yield Case("32 Q11", "[DONE] at once: the prompt was too long (llama-cpp-python)", {CHAT: sse()}, chatting(), Fails(BadResponse, "empty", "", sent=3))  # fmt: skip
    yield Case("32", "comments only", {CHAT: as_stream([b": ping\n\n"] * 3)}, chatting(), Fails(BadResponse, "empty", "", sent=3))  # fmt: skip
    cut = Gives(lambda s, _: s.text == "half an" and (s.finish == "truncated" or bool(s.error)))
    half = sse(chunk("half an"), done=False)
    for name, fault in {"reset": "reset", "closed": "close"}.items():
        yield Case("28 C36", f"{name} in mid stream", {CHAT: Reply(half.body, headers=EVENTS, fault=fault)}, chatting(), cut)  # fmt: skip
    yield Case("28 C36", "closed in the middle of an event", {CHAT: Reply([*half.body, b'data: {"choi'], headers=EVENTS, fault="close")}, chatting(), cut)  # fmt: skip
    yield Case("28 C37", "ends well but without finish reason", {CHAT: half}, chatting(), Gives(Said("half an", "truncated", pieces=2)))  # fmt: skip
    yield Case("28 C37", "[DONE] without finish reason", {CHAT: sse(chunk("half an"))}, chatting(), Gives(lambda s, _: s.finish == "truncated"))  # fmt: skip
    yield Case("28 C39", "the last event has no blank line", {CHAT: as_stream([*half.body, b"data: " + json.dumps(chunk("", "stop")).encode()])}, chatting(), Gives(lambda s, _: s.text == "half an" and s.finish in ("stop", "truncated")))  # fmt: skip
    for name, failure, words in (
        (
            "object",
            {"error": {"message": "CUDA error: out of memory", "code": 500}},
            "out of memory",
        ),
        ("string", {"error": "Model unloaded."}, "Model unloaded"),
        (
            "named event",
            b'event: error\ndata: {"error": {"message": "slot is gone"}}\n\n',
            "slot is gone",
        ),
        ("overflow", {"error": {"message": OVERFLOWS["LM Studio 0.4"][0]}}, "n_keep"),
        ("with choices", {**chunk(), "error": {"message": "slot is gone"}}, "slot is gone"),
    ):
        yield Case("31 C38", f"error event in mid stream, {name}", {CHAT: sse(chunk("half an"), failure)}, chatting(), Gives(lambda s, _, words=words: s.text == "half an" and words in s.error))  # fmt: skip
    yield Case("31 C38", "error event before the first word", {CHAT: sse({"error": {"message": "slot is gone"}})}, chatting(), Fails(EndpointError, "slot is gone", "", sent=3))  # fmt: skip
    yield Case("31 C38", "an event that is no JSON in mid stream", {CHAT: sse(chunk("half an"), b"data: {oops\n\n")}, chatting(), cut)  # fmt: skip
    raw = b"".join(sse(chunk("Grüße 你 "), chunk("\U0001f600", "stop")).body)
    same = Gives(lambda s, _: s.text == "Grüße 你 \U0001f600" and s.finish == "stop")
    utf8 = (raw.replace(b"\\u00fc", "ü".encode()) .replace(b"\\u00df", "ß".encode()) .replace(b"\\u4f60", "你".encode()) .replace(b"\\ud83d\\ude00", "\U0001f600".encode()))  # fmt: skip
    for name, pieces in {
        "byte by byte": one_by_one(utf8),
        "CRLF, byte by byte": one_by_one(utf8.replace(b"\n", b"\r\n")),
        "`data:` without a space": [utf8.replace(b"data: ", b"data:")],
        "comments between": [utf8.replace(b"data: ", b": ping\n\ndata: ")],
        "comments inside an event": [utf8.replace(b"data: ", b": ping\ndata: ")],
        "ids, names and retry lines": [
            utf8.replace(b"data: ", b"event: message\nid: 7\nretry: 10\ndata: ")
        ],
        "everything in one piece": [utf8],
        "blank lines before": [b"\n\n\n" + utf8],
        "a byte order mark": [b"\xef\xbb\xbf" + utf8],
        "events that are no objects": [b"data: 1\n\ndata: null\n\ndata: []\n\n" + utf8],
    }.items():
        yield Case("29 C39", f"odd stream: {name}", {CHAT: as_stream(pieces)}, chatting(), same)
    yield Case("29 C39", "reasoning and reasoning_content", {CHAT: sse(chunk(reasoning_content="hm "), chunk(reasoning="well"), chunk("hello", "stop"))}, chatting(), Gives(lambda s, _: (s.text, s.reasoning) == ("hello", "hm well")))  # fmt: skip
    yield Case("29 C39 Q17", "the sign for a broken character (llama.cpp)", {CHAT: answer("hel\ufffdlo")}, chatting(), Gives(lambda s, _: s.text == "hel\ufffdlo" and s.finish == "stop"))  # fmt: skip
    yield Case("29 C39 37", "bytes that are no UTF-8, before the first word", {CHAT: as_stream([raw.replace(b"Gr", b"\xff\xfe")])}, chatting(), Fails(BadResponse, "cannot be read", "", sent=3))  # fmt: skip
    yield Case("28 C39 37", "bytes that are no UTF-8, in mid stream", {CHAT: as_stream([*half.body, b'data: {"a": "\xff\xfe"}\n\n'])}, chatting(), cut)  # fmt: skip
    yield Case("30 C40", "silence in mid stream", {CHAT: lambda _: as_stream(stall(half.body))}, chatting(Timeouts(1, 5, 0.3, 0.01, 1)), Gives(lambda s, _: s.text == "half an" and "nothing" in s.error), seconds=2)  # fmt: skip
    yield Case("30 C40", "pings only, in mid stream", {CHAT: lambda _: as_stream(stall(half.body, b": ping\n\n"))}, chatting(Timeouts(1, 5, 0.3, 0.01, 1)), Gives(lambda s, _: s.text == "half an" and "nothing" in s.error), seconds=2)  # fmt: skip
    yield Case("30 C40", "pings while the prompt is read, then well", {CHAT: lambda _: as_stream([*[b": ping\n\n"] * 6, *HELLO.body], pace=0.06)}, chatting(Timeouts(1, 5, 0.15, 0.01, 1)), DONE)  # fmt: skip
    yield Case("30 C40", "a word every 0.1 s", {CHAT: lambda _: as_stream(sse(*[chunk("a")] * 5, chunk("", "stop")).body, pace=0.1)}, chatting(Timeouts(1, 0.3, 0.3, 0.01, 1)), Gives(lambda s, _: s.text == "aaaaa" and s.finish == "stop"))  # fmt: skip
    yield Case("25 Q14 Q15", "what is sent: max_tokens, and nothing a strict server refuses", {CHAT: HELLO}, chatting(tokens=77), Gives(plain_request))  # fmt: skip
    yield Case("25 C33", "finish reason length", {CHAT: answer("half an", finish="length")}, chatting(), Gives(lambda s, _: s.finish == "length"))  # fmt: skip
    yield Case("29", "an answer that is not streamed", {CHAT: whole("hello")}, chatting(), DONE)
    yield Case("28", "an answer that is not streamed and has no finish reason", {CHAT: whole("hello", finish=None)}, chatting(), Gives(lambda s, _: s.finish == "truncated"))  # fmt: skip


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def stall(pieces: Sequence[bytes], ping: bytes = b"") -> Iterator[bytes]:
    yield from pieces
    for _ in range(20):
        time.sleep(0.1)
        if ping:
            yield ping


def plain_request(_result, run: Run) -> bool:
    body = run.sent[0].json
    assert body["max_tokens"] == 77
    known = {"model", "messages", "max_tokens", "temperature", "stream", "stream_options"}
    assert set(body) <= known, set(body) - known
    return True


def answers() -> Iterator[Case]:
    """The whole program asks about an index that is there already."""
    right = Gives(lambda a, _: a.text == "It is 22 Nm [1]." and a.complete and not a.abstained)

    def chat(
        holds: str,
        server: str,
        reply: Behaviour | Sequence[Behaviour],
        expect: Gives | Fails,
        **settings: object,
    ) -> Case:
        return Case(holds, f"{server} (asked)", lm_studio(chat=reply), asking(**settings), expect)

    said = "It is 22 Nm [1]."
    yield chat("28", "well", lambda _: answer(said), right)
    thought = chunk(reasoning_content="The user wants to know ...")
    for holds, server, reply in (
        ("27 C32", "<think> split over chunks", answer("<th", "ink>Hm. 30 Nm</thi", "nk>", said)),
        ("27 C32", "<think> after blanks", answer("\n<think>", "Hm.", "</think>\n\n", said)),
        ("27 C32", "thinking that was never opened", answer("Hm. 30 Nm.", "</think>", said)),
        (
            "27 C31",
            "reasoning_content, then an answer",
            sse(thought, chunk(said), chunk("", "stop")),
        ),
        (
            "27 C31",
            "reasoning (gpt-oss), then an answer",
            sse(chunk(reasoning="Hm."), chunk(said), chunk("", "stop")),
        ),
    ):
        yield chat(holds, server, reply, right)
    only = sse(thought, chunk("", "length"))
    yield chat("26 C31", "all tokens spent on thinking, then an answer", [only, answer(said)], right)  # fmt: skip
    yield chat("26 C31", "all tokens spent on thinking: asked again without", [only, answer(said)], Gives(asked_without_thinking))  # fmt: skip
    yield chat("26 C31", "only reasoning_content, finish reason stop (LM Studio), then an answer", [sse(thought, chunk("", "stop")), answer(said)], right)  # fmt: skip
    yield chat("26 C31", "all tokens spent on thinking, always", only, Fails(OnlyThought, "thinking", "RAG_ANSWER_TOKENS", sent=4))  # fmt: skip
    yield chat("26 C32", "<think> that never closes, always", answer("<think>Hm. 30 Nm", finish="length"), Fails(OnlyThought, "thinking", "RAG_ANSWER_TOKENS", sent=4))  # fmt: skip
    yield chat("26 C31", "only thinking, and 400 for the field that turns it off", [only, fail("Unrecognized request argument: reasoning_effort"), answer(said)], right)  # fmt: skip
    for name, reply in {
        "null": sse(
            {**chunk(), "choices": [{"delta": {"content": None}, "finish_reason": "stop"}]}
        ),
        "blank": answer("  \n"),
        "empty": answer(""),
    }.items():
        yield chat("26 C30", f"content {name}", reply, Fails(BadResponse, "empty answer", "", what=lambda e: "None" not in e.message))  # fmt: skip
    yield chat("26 C30", "content null (not streamed)", whole(None), Fails(BadResponse, "empty answer", ""))  # fmt: skip
    yield chat("28 C36", "reset in mid answer", lambda _: Reply(sse(chunk("It is 22 Nm"), done=False).body, headers=EVENTS, fault="reset"), Gives(cut_off("truncated")))  # fmt: skip
    yield chat("28 C37", "end without finish reason", sse(chunk("It is 22 Nm"), done=False), Gives(cut_off("truncated")))  # fmt: skip
    yield chat("31 C38", "error event in mid answer", sse(chunk("It is 22 Nm"), {"error": "Model unloaded."}), Gives(cut_off("truncated")))  # fmt: skip
    yield chat("25 C33", "finish reason length", answer("It is 22 Nm", finish="length"), Gives(cut_off("length")))  # fmt: skip
    yield Case("25 C33", "finish reason length: the user is told", lm_studio(chat=answer("It is 22 Nm [1]", finish="length")), command("ask", "--endpoint", "URL", "--index", "INDEX", QUESTION), Gives(lambda r, _: r[0] == 0 and "not complete" in r[2] and "RAG_ANSWER_TOKENS" in r[1] + r[2]))  # fmt: skip
    yield Case("28 C37", "end without finish reason: the user is told, and how to try again", lm_studio(chat=sse(chunk("It is 22 Nm [1]"), done=False)), command("ask", "--endpoint", "URL", "--index", "INDEX", QUESTION), Gives(lambda r, _: "not complete" in r[2] and "again" in r[2]))  # fmt: skip
    yield chat("34 C22", "usage missing", answer(said), right)
    yield chat("34 C22", "usage 0", sse(chunk(said), chunk("", "stop"), {**chunk(), "choices": [], "usage": usage(0, 0)}), right)  # fmt: skip
    yield chat("24 11", "well, the loaded context is a small part of what the model could do", lambda _: answer(said), Gives(small_prompt))  # fmt: skip
    smaller = OVERFLOWS["llama.cpp"][0].replace("4170", "520").replace("4096", "512")
    yield chat("15 C25 24", "overflow once at 512 tokens, not the 4096 of its list, then well", [fail(smaller, 400), answer(said)], Gives(shorter_prompt))  # fmt: skip
    yield chat("15 C25 24", "overflow at the limit of its list, then well with fewer passages", [fail(OVERFLOWS["llama.cpp"][0], 400), answer(said)], Gives(shorter_prompt))  # fmt: skip
    yield chat("15 C25", "overflow whatever is sent", fail(OVERFLOWS["llama.cpp"][0], 400), Fails(ContextOverflow, "4096", "context"))  # fmt: skip
    for name, told in {
        "other-chat": True,
        "stub-chat@q4_k_m": False,
        "stub-chat:2": False,
        "models/stub-chat.gguf": False,
        "": False,
    }.items():
        reply = sse({**chunk(said), "model": name}, {**chunk("", "stop"), "model": name})
        yield Case("22 C23", f"{name or 'no name'!r} answers for 'stub-chat': {'told' if told else 'the same model, not told'}", lm_studio(chat=reply), command("ask", "--endpoint", "URL", "--index", "INDEX", QUESTION), Gives(lambda r, _, told=told: r[0] == 0 and ("answered with" in r[2]) == told))  # fmt: skip
    yield Case("22 Q5 7", "another embedding model under the same name (asked)", lm_studio(embed=lambda r: embed(r, lambda t: letters(t)[::-1])), asking(), Fails(IndexMismatch, "same name", "rag ingest"))  # fmt: skip
    yield Case("7 C19", "vectors of another dimension than the index (asked)", lm_studio(embed=lambda r: embed(r, lambda t: letters(t)[:5])), asking(), Fails(IndexMismatch, "9 dimensions", "rag ingest", what=lambda e: "5 dimensions" in e.message))  # fmt: skip
    yield chat("20", "chat model not loaded: it is loaded first", lambda _: answer(said), right)
    yield Case("20 C26", "chat model not loaded: it is loaded before the question is sent", cold(False, True), asking(), Gives(loaded_first))  # fmt: skip
    yield Case("20 19", "well: embeddings and chat never at once (asked)", lm_studio(embed=slow(embed, 0.05)), asking(), Gives(lambda _, run: run.server.most_at_once(EMBED, CHAT) == 1))  # fmt: skip
    yield Case("13 37", "answers 400 to the question: the user sees one error and one fix", lm_studio(chat=fail("the jinja template is broken", 400)), command("ask", "--endpoint", "URL", "--index", "INDEX", QUESTION), Gives(partial(told_at_once, "jinja template")))  # fmt: skip
    yield Case("36", "a server in another network is told by rag doctor", {}, command("doctor", "--endpoint", "http://models.invalid/v1", "--index", "INDEX"), Gives(lambda r, _: "leave your network" in r[1] + r[2]))  # fmt: skip
    yield Case("36", "a server in another network is told before documents are sent", {}, command("ingest", "FOLDER", "--endpoint", "http://models.invalid/v1", "--index", "EMPTY"), Gives(lambda r, _: "warning: documents" in r[2] and "models.invalid" in r[2]), seconds=8)  # fmt: skip
    yield Case("36", "Ollama passes the model on to a machine of its own", OLLAMA_CLOUD, command("ask", "--endpoint", "URL", "--index", "INDEX", QUESTION), Gives(lambda r, _: "ollama.com" in r[1] + r[2]))  # fmt: skip
    yield Case("33", "what is shown of a secret: nothing", lm_studio(embed=TOKEN), under(command("ask", "--endpoint", "URL", "--index", "INDEX", QUESTION), RAG_API_KEY="sk-very-secret"), Gives(lambda r, _: r[0] == 1 and "sk-very" not in r[1] + r[2] and "RAG_API_KEY" in r[2]))  # fmt: skip


OLLAMA_CLOUD = {
    MODELS: openai_list("text-embedding-stub", "cloud-chat", owned_by="library"), EMBED: embed, CHAT: lambda _: answer("It is 22 Nm [1]."),
    "/api/tags": as_json({"models": [{"name": "text-embedding-stub", "capabilities": ["embedding"], "details": {}},
                                     {"name": "cloud-chat", "capabilities": ["completion"], "details": {}, "remote_host": "https://ollama.com"}]}),
    "/api/ps": as_json({"models": []}),
}  # fmt: skip


def cut_off(reason: str) -> Callable[[object, Run], bool]:
    return lambda a, _run: (
        a.text.startswith("It is 22 Nm") and not a.complete and a.finish_reason == reason
    )


def asked_without_thinking(_answer, run: Run) -> bool:
    first, second = run.server.asked(CHAT)
    more = second.json["max_tokens"] > first.json["max_tokens"]
    off = second.json.get("reasoning_effort") == "none" or second.json.get("chat_template_kwargs")
    return bool(more or off) and "reasoning_effort" not in first.json


def prompt_of(request: Request) -> str:
    return "".join(message["content"] for message in request.json["messages"])


def small_prompt(_answer, run: Run) -> bool:
    (request,) = run.server.asked(CHAT)
    return len(prompt_of(request)) / 4 + request.json["max_tokens"] < 4096


def shorter_prompt(_answer, run: Run) -> bool:
    first, second = map(prompt_of, run.server.asked(CHAT))
    return len(second) < len(first) and "22 Nm" in second


def loaded_first(_result, run: Run) -> bool:
    paths = [r.path for r in run.server.requests]
    return LOAD in paths and paths.index(LOAD) < paths.index(CHAT)


def ingests() -> Iterator[Case]:
    """The whole program reads a folder through a server with a fault."""
    many = {
        f"n{n}.md": f"# Part {n}\n\nPart {n} of the mast weighs {n} kg and is kept dry.\n"
        for n in range(8)
    }  # fmt: skip
    long = {
        "long.md": "# Log\n\n"
        + " ".join(
            f"On day {n} the crew wrote down the wind, the course and the sea." for n in range(80)
        )
    }  # fmt: skip
    whole_run = Gives(lambda r, _: r[1].chunks >= 8)
    yield Case("10 Q6", "well; files of blanks, marks and half characters: only real texts are sent", lm_studio(), ingesting({**many, "blank.md": " \n\n \n", "empty.txt": "", "rule.md": "---\n\n***\n"}), Gives(real_texts))  # fmt: skip
    yield Case("11 Q1", "well, with 96 tokens of context: nothing longer is sent", lm_studio(models=native(embedding_context=96)), ingesting(long), Gives(no_longer_than(96)))  # fmt: skip
    yield Case("12 11 Q1", "cuts texts in silence after 60 words", lm_studio(embed=lambda r: embed(r, lambda t: letters(" ".join(t.split()[:60])))), ingesting(long), Gives(no_longer_than(60)))  # fmt: skip
    yield Case("15 11 C24 Q1", "500 too large above 64 words, the limit in its words", lm_studio(embed=when(longer_than(64), fail(TOO_LARGE.replace("549", "90").replace("512", "64"), 500))), ingesting(long), Gives(no_longer_than(64)))  # fmt: skip
    yield Case("15 C25", "overflow above 64 words, no limit in its words", lm_studio(embed=when(longer_than(64), fail(OVERFLOWS["Ollama"][0]))), ingesting(long), Gives(no_longer_than(64)))  # fmt: skip
    yield Case("18 17", "resets once in mid ingest", lm_studio(embed=resetting(has("Part 3"))), ingesting(many, whole=True), Gives(lambda r, _: r[1].chunks == 8))  # fmt: skip
    yield Case("18 17", "401 in mid ingest; the second run sends only what is missing", lm_studio(embed=refusing_once(has("Part 6"))), ingesting(many, twice=True, batch_size=2), Gives(sent_little))  # fmt: skip
    yield Case("16 C27", "NaN for one document: the others are stored, it is named", lm_studio(embed=when(has("Part 5"), NAN)), ingesting(many), Gives(one_reported("n5.md")))  # fmt: skip
    yield Case("16 8 C20", "zeros for one document: the others are stored, it is named", lm_studio(embed=lambda r: embed(r, lambda t: [0.0] * 9 if "Part 5" in t else letters(t))), ingesting(many), Gives(one_reported("n5.md")))  # fmt: skip
    yield Case("19 20", "well, slowly: one request at once to begin with", lm_studio(embed=slow(embed, 0.02)), ingesting(many, batch_size=1), Gives(began_alone))  # fmt: skip
    yield Case("19 17 C26", "the model crashes in mid ingest: one request at once from then on", lm_studio(embed=crashing(has("Part 2"))), ingesting(many, batch_size=1), Gives(alone_after_crash), seconds=9)  # fmt: skip
    yield Case("20 17 C26", "the model crashes in mid ingest: it is loaded again", cold(True, True, crash=has("Part 2")),
               ingesting(many), Gives(lambda r, run: r[1].chunks == 8 and LOAD in [q.path for q in run.server.requests]), seconds=9)  # fmt: skip
    yield Case("20 C26", "embedding model not loaded: it is loaded before the first text", cold(True, False), ingesting(many), Gives(load_before_texts))  # fmt: skip
    yield Case("17 C8", "503 loading model while a folder is ingested: told, then well", lm_studio(embed=[LOADING, embed]), ingesting(many), Gives(lambda r, run: r[1].chunks == 8 and any("Loading" in t for t in run.told)))  # fmt: skip
    yield Case("21", "a model listed as llm whose name says embedding", {MODELS: openai_list("alpha-chat", "qwen3-embedding-0.6b"), EMBED: embed}, ingesting(many), Gives(lambda _, run: {r.json["model"] for r in run.sent} == {"qwen3-embedding-0.6b"}))  # fmt: skip
    yield Case("21 7", "a chat model that embeds each text in another dimension", {MODELS: openai_list("only-one"), EMBED: lambda r: embed(r, lambda t: letters(t) * (1 + len(t) % 7))}, ingesting(many), Fails(PipelineError, "", ""))  # fmt: skip
    yield Case("22 C23", "another embedding model than asked for answers", lm_studio(embed=lambda r: embed(r, model="text-embedding-other")), ingesting(many), Gives(lambda _, run: any("other" in w for w in run.warnings + run.told)))  # fmt: skip
    yield Case("22 C23", "the embedding model's name without its prefix, with quantisation", lm_studio(embed=lambda r: embed(r, model="stub@q4_k_m")), ingesting(many), Gives(lambda _, run: not run.warnings))  # fmt: skip
    yield Case("9 34 C22 Q2 Q9", "vectors of any length, usage 0", lm_studio(embed=lambda r: embed(r, lambda t: [6 * x for x in letters(t)], usage=usage(0, 0))), ingesting(many), whole_run)  # fmt: skip


def real_texts(_result, run: Run) -> bool:
    texts = [text for request in run.sent for text in request.json["input"]]
    assert all(isinstance(text, str) and text.strip() for text in texts)
    assert all(set(r.json) <= {"model", "input", "encoding_format"} for r in run.sent)
    return any("Part 7" in text for text in texts)


def no_longer_than(words: int) -> Callable[[object, Run], bool]:
    """Every text of the document itself is short enough, and all of it was sent."""

    def check(_result, run: Run) -> bool:
        texts = [t for request in run.sent for t in request.json["input"] if "crew" in t]
        assert max(len(text.split()) for text in texts) <= words
        return any("day 0 " in t for t in texts) and any("day 79 " in t for t in texts)

    return check


def longer_than(words: int) -> Callable[[Request], bool]:
    return lambda request: any(len(text.split()) > words for text in request.json["input"])


def first_time(condition: Callable[[Request], bool], fault: Reply) -> Behaviour:
    """Show the fault the first time a request is of this kind."""
    seen: list[Request] = []

    def behave(request: Request) -> Reply:
        if condition(request) and not seen:
            seen.append(request)
            return fault
        return embed(request)

    return behave


def resetting(condition: Callable[[Request], bool]) -> Behaviour:
    return first_time(condition, Reply(fault="reset"))


def refusing_once(condition: Callable[[Request], bool]) -> Behaviour:
    return first_time(condition, TOKEN)


def crashing(condition: Callable[[Request], bool]) -> Behaviour:
    return first_time(condition, CRASHED)


def sent_little(result, run: Run) -> bool:
    texts = [t for request in run.sent for t in request.json["input"] if "Part" in t]
    assert result[1].chunks == 8
    assert len(texts) == len(set(texts))
    return 0 < len(texts) <= 6


def one_reported(name: str) -> Callable[[object, Run], bool]:
    def check(result, _run: Run) -> bool:
        report, status = result
        return status.chunks == 7 and [f.source_id for f in report.skipped] == [name]

    return check


def began_alone(_result, run: Run) -> bool:
    sent = [r for r in run.sent if has("Part")(r)]
    first, second = sent[:2]
    return first.ended - 0.005 <= second.started


def alone_after_crash(result, run: Run) -> bool:
    sent = [r for r in run.sent if has("Part")(r)]
    crash = next(i for i, r in enumerate(sent) if has("Part 2")(r))
    run.server.requests[:] = sent[crash + 1 :]
    return result[1].chunks == 8 and run.server.most_at_once() <= 1


def load_before_texts(_result, run: Run) -> bool:
    paths = [r.path for r in run.server.requests]
    return LOAD in paths and paths.index(LOAD) < paths.index(EMBED)


def objects() -> Iterator[Case]:
    """One JSON object as the answer."""
    city = Gives({"city": "Kiel"})
    good = '{"city": "Kiel"}'
    for name, reply in {
        "400 of LM Studio": REFUSED_FORMAT,
        "500 of llama-cpp-python": fail(
            "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\"}]",
            500,
        ),
        "400 of a grammar": fail("failed to parse grammar", 400),
    }.items():
        script = {CHAT: when(lambda r: "response_format" in r.json, reply, answer(good))}
        yield Case("33 C34 Q13", f"response_format refused: {name}", script, asking_json(SCHEMA), city)  # fmt: skip
        yield Case("33 C34 Q13", f"response_format refused: {name}; two requests in all", script, counted(asking_json(SCHEMA)), Gives(2))  # fmt: skip
    yield Case("33 Q13", "response_format ignored: prose, then an object", {CHAT: [answer("It is in Kiel."), answer(good)]}, asking_json(SCHEMA), city)  # fmt: skip
    yield Case("33", "an object in a fence after words", {CHAT: answer("Here:\n```json\n", good, "\n```")}, asking_json(SCHEMA), city)  # fmt: skip
    yield Case("33", "json_schema is asked for first, json_object never", {CHAT: answer("no")}, formats_sent, Gives(lambda f, _: f[0] == "json_schema" and "json_object" not in f))  # fmt: skip
    yield Case("25 33 C33", "an object cut off by its limit, then whole", {CHAT: [answer('{"city": "Ki', finish="length"), answer(good)]}, asking_json(SCHEMA), city)  # fmt: skip
    yield Case("25 33 C33", "an object cut off by its limit, always", {CHAT: answer('{"city": "Ki', finish="length")}, asking_json(SCHEMA), Fails(BadResponse, "cut off", "RAG_ANSWER_TOKENS", sent=3))  # fmt: skip
    yield Case("33 26 C31", "the object in reasoning_content (LM Studio)", {CHAT: [sse(chunk(reasoning_content=good), chunk("", "stop")), answer(good)]}, asking_json(SCHEMA), city)  # fmt: skip
    yield Case("33", "never an object that fits", {CHAT: answer('{"town": 1}')}, asking_json(SCHEMA), Fails(BadResponse, "city", "", sent=4))  # fmt: skip


def formats_sent(run: Run) -> list[str]:
    with suppress(PipelineError):
        asking_json(SCHEMA)(run)
    return [r.json.get("response_format", {}).get("type", "") for r in run.sent]


def kinds_of_chat_choice() -> Iterator[Case]:
    """Which model is chosen, and what is sent of the user's environment."""
    yield Case("21", "a model for embeddings and one for chat, neither typed", {MODELS: openai_list("nomic-embed-text", "llama-3")}, chosen, Gives(("nomic-embed-text", "llama-3")))  # fmt: skip
    yield Case("21", "an embedding model typed llm, name patterns win", {NATIVE: as_json({"models": [{"type": "llm", "key": "qwen3-embedding-8b", "loaded_instances": []}, {"type": "llm", "key": "alpha", "loaded_instances": []}]})}, chosen, Gives(("qwen3-embedding-8b", "alpha")))  # fmt: skip
    yield Case("21", "a reranker is no embedding model", {MODELS: openai_list("bge-reranker-v2-m3", "bge-m3", "alpha")}, lambda run: chosen(run)[0], Gives("bge-m3"))  # fmt: skip
    yield Case("23 24", "llama.cpp: the context of one slot", {MODELS: openai_list("alpha", owned_by="llamacpp", meta={"n_ctx": 8192, "n_ctx_train": 131072}),
               "/props": as_json({"default_generation_settings": {"n_ctx": 2048}, "total_slots": 4})}, listing(),
               Gives(lambda o, _: (o.server, o.models[0].context_tokens) == ("llama.cpp", 2048)))  # fmt: skip
    yield Case("23 24", "vLLM: max_model_len", {MODELS: openai_list("alpha", owned_by="vllm", max_model_len=16384)}, listing(), Gives(lambda o, _: (o.server, o.models[0].context_tokens) == ("vLLM", 16384)))  # fmt: skip
    secret = dict.fromkeys(("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"), SECRET)  # fmt: skip
    more = {"OPENAI_BASE_URL": f"http://127.0.0.1:9/{SECRET}", "OPENAI_CUSTOM_HEADERS": f"X-Secret: {SECRET}\nAuthorization: Bearer {SECRET}"}  # fmt: skip
    yield Case("2", "well; OPENAI_* hold secrets (embeddings)", {EMBED: GOOD}, under(embedding(), **secret, **more), Gives(no_secret_sent))  # fmt: skip
    yield Case("2", "well; OPENAI_* hold secrets (chat)", {CHAT: HELLO}, under(chatting(), **secret, **more), Gives(no_secret_sent))  # fmt: skip
    for given in ("{root}", "{root}/", "{root}/v1/", "{host}/v1", "{local}"):
        yield Case("1 C12", f"well; its address is given as {given}", {EMBED: GOOD}, spelled(given), ONE)  # fmt: skip


def spelled(given: str) -> Act:
    def act(run: Run) -> object:
        root = run.server.root
        host = root.removeprefix("http://")
        text = given.format(root=root, host=host, local=root.replace("127.0.0.1", "localhost"))
        return embedding(url=Settings.load({"endpoint": text}).endpoint)(run)

    return act


def chosen(run: Run) -> tuple[str, str]:
    with connected(run) as endpoint:
        offer = list_models(endpoint)
    return choose_embedding(offer, None).model.id, choose_chat(offer, None).model.id


def no_secret_sent(_result, run: Run) -> bool:
    return bool(run.sent) and not any(SECRET in str(r.headers) + r.path for r in run.sent)


RESPONSES = "/v1/responses"
LETTER = "Dear Ms Sailmaker, the authentication failed and no models loaded on our boat."


def response_events(*events: Mapping[str, object], **response: object) -> Reply:
    """A stream of /v1/responses and its end."""
    return sse(*events, {"type": "response.completed", "response": {"status": "completed", **response}}, done=False)  # fmt: skip


def doubled(request: Request) -> Reply:
    """The answer twice in one piece, on a connection that stays open."""

    def pieces() -> Iterator[bytes]:
        yield raw_reply(bytes_of(embed(request))) * 2
        time.sleep(0.5)

    return Reply(pieces(), raw=True)


def embedding_twice(run: Run) -> object:
    with connected(run) as endpoint:
        return [rounded(endpoint.embed("stub", [text])) for text in ("aab", "ccd")]


def asking_of_letter(run: Run) -> object:
    with connected(run) as endpoint:
        return endpoint.complete("stub", [Message("user", LETTER)], 50)


def asking_twice(run: Run) -> int:
    """Ask without thinking two times; the number of requests of the second."""
    with connected(run) as endpoint:
        endpoint.complete("stub", [Message("user", "Hi")], 50)
        before = len(run.sent)
        endpoint.complete("stub", [Message("user", "Hi")], 50)
        return len(run.sent) - before


def refuses_one_by_one(request: Request) -> Reply:
    fields = ("reasoning_effort", "stream_options")
    refused = [name for name in fields if name in request.json]
    return fail(f"unexpected field {refused[0]}", 400) if refused else HELLO


def says_but(word: str, secret: str) -> Callable[[PipelineError], bool]:
    return lambda error: word in error.message and secret not in error.message + error.hint


def after_the_end() -> Iterator[Case]:
    """What follows a finish reason, and what comes before the first word."""
    ended = sse(chunk("hello"), chunk("", "stop"), done=False)
    for name, more in {
        "an error": b'data: {"error": "late"}\n\n',
        "no JSON": b"data: {oops\n\n",
        "no UTF-8": b"data: \xff\xfe\n\n",
    }.items():
        yield Case("28 C38", f"{name} after the finish reason", {CHAT: as_stream([*ended.body, more])}, chatting(), DONE)  # fmt: skip
    yield Case("28 C36", "reset after the finish reason", {CHAT: Reply(ended.body, headers=EVENTS, fault="reset")}, chatting(), DONE)  # fmt: skip
    long = Timeouts(1, 9, 9, 0.01, 1)
    yield Case("28 C40", "silence after the finish reason ends in two seconds", {CHAT: lambda _: as_stream(stall(ended.body))}, chatting(long), DONE, seconds=3)  # fmt: skip
    nothing = {"retry": b"retry: 3000\n\n", "event": b"event: ping\n\n", "data": b"data:\n\n", "id": b"id: 1\n\n"}  # fmt: skip
    for name, piece in nothing.items():
        yield Case("29 C39", f"an event of `{name}` alone", {CHAT: sse(piece, chunk("hel"), piece, chunk("lo", "stop"))}, chatting(), DONE)  # fmt: skip
    ping = b'data: {"type": "ping"}\n\n'
    half = sse(chunk("half an"), done=False)
    yield Case("30 C40", "pings as data, in mid stream", {CHAT: lambda _: as_stream(stall(half.body, ping))}, chatting(Timeouts(1, 5, 0.3, 0.01, 1)), Gives(lambda s, _: s.text == "half an" and "nothing" in s.error), seconds=2)  # fmt: skip
    for reason, finish in {"eos": "stop", "end_turn": "stop", "model_length": "length", "content_filter": "content_filter"}.items():  # fmt: skip
        yield Case("25 28", f"finish reason {reason}", {CHAT: answer("hello", finish=reason)}, chatting(), Gives(lambda s, _, finish=finish: s.finish == finish))  # fmt: skip
    lost = sse(chunk("\n "), {"error": "Model unloaded."})
    yield Case("17 C26", "lost after blanks only, then well", {CHAT: [lost, HELLO]}, chatting(), DONE)  # fmt: skip
    lost = sse(chunk(reasoning="hm"), {"error": "Model unloaded."})
    yield Case("31 C26", "lost after thoughts only", {CHAT: lost}, chatting(), Fails(ModelLost, "Model unloaded", "load", sent=1))  # fmt: skip
    pair = sse(chunk("hello \ud83d"), chunk("\ude00", "stop"))
    yield Case("29 C39", "a pair of surrogates in two chunks", {CHAT: pair}, chatting(), Gives(lambda s, _: s.text == "hello \U0001f600"))  # fmt: skip
    yield Case("29 C39", "one surrogate alone", {CHAT: sse(chunk("hello \ud83d"), chunk("!", "stop"))}, chatting(), Gives(lambda s, _: s.text == "hello \ufffd!"))  # fmt: skip
    for name, count in {"huge": 10**400, "below zero": -5, "a truth": True}.items():
        yield Case("34 C22", f"usage is {name}", {CHAT: sse(chunk("hello"), {**chunk("", "stop"), "usage": usage(count, count)})}, chatting(), Gives(lambda s, _: s.usage == Usage(0, 0)))  # fmt: skip
    two_lines = b'data: {"choices": [{"delta": {"content": "hidden"}}]}\ndata: {}\n\n'
    yield Case("31 C39", "two objects in one event", {CHAT: as_stream([two_lines])}, chatting(), Fails(BadResponse, "no JSON", "log", what=says_but("", "hidden")))  # fmt: skip


def other_surfaces() -> Iterator[Case]:
    """/v1/responses, refusals and tools."""
    said = {"type": "message", "content": [{"type": "output_text", "text": "hello"}]}
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    asked = chatting(surface="responses")
    yield Case("29", "/v1/responses: the text in its last event only", {RESPONSES: response_events(output=[thought, said])}, asked, Gives(lambda s, _: (s.text, s.reasoning) == ("hello", "hm")))  # fmt: skip
    words = {"type": "response.output_text.delta", "delta": "hello"}
    yield Case("29", "/v1/responses: the text again in its last event", {RESPONSES: response_events(words, output=[thought, said])}, asked, DONE)  # fmt: skip
    yield Case("26", "/v1/responses: thoughts only", {RESPONSES: response_events(output=[thought])}, asked, Gives(lambda s, _: (s.text, s.reasoning, s.finish) == ("", "hm", "stop")))  # fmt: skip
    yield Case("29", "/v1/responses: a refusal", {RESPONSES: response_events({"type": "response.refusal.delta", "delta": "No."})}, asked, Gives(lambda s, _: s.text == "No."))  # fmt: skip
    filtered = {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "content_filter"}}}  # fmt: skip
    yield Case("25", "/v1/responses: cut by a filter", {RESPONSES: sse(words, filtered)}, asked, Gives(lambda s, _: s.finish == "content_filter"))  # fmt: skip
    yield Case("29", "a refusal", {CHAT: sse(chunk(refusal="No."), chunk("", "stop"))}, chatting(), Gives(lambda s, _: s.text == "No."))  # fmt: skip
    tool = chunk(tool_calls=[{"index": 0, "function": {"name": "look"}}])
    called = Fails(BadResponse, "called a tool", "chat model", sent=1)
    yield Case("29", "a tool is called", {CHAT: sse(tool, chunk(None, "tool_calls"))}, chatting(), called)  # fmt: skip
    yield Case("29", "/v1/responses: a tool is called", {RESPONSES: response_events(output=[{"type": "function_call", "name": "look"}])}, asked, called)  # fmt: skip
    for name, reply in {"404": fail("Not Found", 404), "200 unexpected endpoint": UNEXPECTED}.items():  # fmt: skip
        yield Case("14 C12", f"/v1/responses is not there: {name}", {RESPONSES: reply}, asked, Fails(EndpointError, "", "set RAG_CHAT_SURFACE=chat", sent=1))  # fmt: skip
    yield Case("26 Q15", "optional fields refused one after the other", {CHAT: refuses_one_by_one}, asking_twice, Gives(1))  # fmt: skip


def echoes_and_lists() -> Iterator[Case]:
    """Answers that are another's, words that are the document's, lists that come badly."""
    yield Case("6 18", "every answer twice in one piece", {EMBED: doubled}, embedding_twice, Gives(lambda rows, _: rows == [rounded(normal("aab")), rounded(normal("ccd"))]))  # fmt: skip
    hidden = says_but("…", "Sailmaker")
    for name, reply in {
        "as it is": fail(f"cannot embed: {LETTER}", 400),
        "on other lines": fail("cannot embed: " + LETTER.replace(" ", "\n"), 400),
        "as JSON": fail(f"cannot embed: {json.dumps([LETTER])}", 400),
    }.items():
        yield Case("13 Q8", f"400 echoes the text {name}", {EMBED: reply}, embedding(LETTER), Fails(RequestRefused, "cannot embed", "", sent=1, what=hidden))  # fmt: skip
    yield Case("13 Q8", "an echo in an error of a stream", {CHAT: sse({"error": f"bad prompt: {LETTER}"})}, asking_of_letter, Fails(EndpointError, "bad prompt", "", sent=3, what=hidden))  # fmt: skip
    yield Case("13", "400 with a word of keys in it", {EMBED: fail('odd token "authentication"', 400)}, embedding(), Fails(RequestRefused, "odd token", "log", sent=1))  # fmt: skip
    yield Case("13 15", "an overflow with words of keys in it", {EMBED: fail("authentication failed exceeds the context size (512 tokens)", 400)}, embedding(), Fails(ContextOverflow, "512", "context", sent=1))  # fmt: skip
    yield Case("13", "500 of a document about models", {EMBED: fail("The model of the boat is old, the page was not found", 500)}, embedding(), Fails(EndpointError, "boat", "log", sent=3, what=lambda e: type(e) is EndpointError))  # fmt: skip
    yield Case("8 C20", "texts for numbers", {EMBED: rows(["0.1", "2"])}, embedding(), Fails(BadResponse, "a text", "log", sent=2))  # fmt: skip
    yield Case("8 C20", "a truth for a number", {EMBED: rows([True, 0.5])}, embedding(), Fails(BadResponse, "a truth", "log", sent=2))  # fmt: skip
    cut = Reply(
        b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"data": [{"ind', raw=True
    )
    yield Case("14 C4", "half of the JSON, without a length, then whole", {EMBED: once(cut, GOOD)}, embedding(), ONE)  # fmt: skip
    yield Case("14 C4", "half of the JSON, without a length, always", {EMBED: cut}, embedding(), Fails(BadResponse, "JSON", "log", sent=2, what=lambda e: "/v1" not in e.hint))  # fmt: skip
    listed = Gives(lambda offer, _: [m.id for m in offer.models] == ["alpha"])
    good = openai_list("alpha")
    yield Case("17 C9", "500 once, then the list", {MODELS: once(fail("x", 500), good)}, listing(), listed)  # fmt: skip
    yield Case("17 C9", "502 for the list, always", {MODELS: Reply(b"<html>bad gateway", 502)}, listing(), Fails(EndpointError, "bad gateway", "log"))  # fmt: skip
    yield Case("13 23", "a list with a byte order mark", {MODELS: Reply(b"\xef\xbb\xbf" + bytes_of(good))}, listing(), listed)  # fmt: skip
    yield Case("13 23", "a list with NaN", {MODELS: Reply(b'{"data": [{"id": "alpha", "created": NaN}]}')}, listing(), listed)  # fmt: skip
    yield Case("13 23", "the list is a truth", {EMBED: fail(NO_MODEL, 404), MODELS: as_json({"data": True})}, embedding(), Fails(ModelUnavailable, "no models loaded", "load"))  # fmt: skip
    yield Case("1", "encryption answers http://", {EMBED: Reply(b"\x15\x03\x01\x00\x02\x02\x46", raw=True)}, embedding(), Fails(BadResponse, "something else", "https://", sent=1))  # fmt: skip
    yield Case("1", "304 without a place", {EMBED: Reply(b"HTTP/1.1 304 Not Modified\r\n\r\n", raw=True)}, embedding(), Fails(BadResponse, "does not say where", "RAG_ENDPOINT", sent=1))  # fmt: skip


def normal(text: str) -> numpy.ndarray:
    vector = numpy.array([letters(text)])
    return vector / numpy.linalg.norm(vector)


CASES: list[Case] = [
    *connection(), *limits(), *errors(), *shapes_of_200(), *overflows(), *waiting(), *vectors_of_every_kind(), *batches(),
    *streams(), *answers(), *ingests(), *objects(), *kinds_of_chat_choice(),
    *after_the_end(), *other_surfaces(), *echoes_and_lists(),
]  # fmt: skip


# --- the listing -------------------------------------------------------------------------------


def numbers(case: Case) -> list[str]:
    return case.holds.split()


def seen_by_user(result: object) -> str:
    if isinstance(result, TextsRejected):
        return f"rejected: {dict(result.reasons)}"
    if isinstance(result, PipelineError):
        return f"{type(result).__name__}: {result.message} | fix: {result.hint}"
    if isinstance(result, BaseException):
        return f"UNTRANSLATED {type(result).__name__}: {result}"
    return f"result: {result!r}"


def print_outcome(outcome: Outcome) -> None:
    verdict = "no " if outcome.problem else "yes"
    line = f"{outcome.case.holds:<16} {verdict} {outcome.seconds:4.1f} s  {outcome.case.server} -> {seen_by_user(outcome.result)}"  # fmt: skip
    print(" ".join(line.split())[:400], flush=True)
    if outcome.problem:
        print(f"    NOT HANDLED: {outcome.problem[:600]}", flush=True)


def print_listing(words: Sequence[str]) -> int:
    """Run the cases and print one line each; return how many are not handled."""
    picked = [c for c in CASES if not words or any(w in c.name or w in numbers(c) for w in words)]
    outcomes = []
    for case in picked:
        outcomes.append(run_case(case))
        print_outcome(outcomes[-1])
    print()
    for number, title in TITLES.items():
        mine = [o for o in outcomes if number in numbers(o.case)]
        good = sum(not o.problem for o in mine)
        elsewhere = [
            *HELD.get(number, ()),
            *([f"later: {LATER[number]}"] if number in LATER else []),
        ]  # fmt: skip
        print(f"{number:<4} {good}/{len(mine)} cases  {title}", *elsewhere, sep="  ")
    failed = sum(bool(o.problem) for o in outcomes)
    seconds = sum(o.seconds for o in outcomes)
    print(f"\n{len(outcomes) - failed} of {len(outcomes)} cases handled in {seconds:.1f} s; "
          f"{len(TITLES)} rules, rows and quirks, {len(LATER)} for later")  # fmt: skip
    return failed


if __name__ == "__main__":
    sys.exit(1 if print_listing(sys.argv[1:]) else 0)
