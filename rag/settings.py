"""Every setting, its default and its meaning; the only reader of the environment and `.env`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from dotenv import dotenv_values
from platformdirs import user_cache_dir
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

from ingest.base.errors import SettingsError
from ingest.parse.base.reading import Reading
from rag.models.base.addresses import normalise_endpoint

PREFIX = "RAG_"


def _check_key(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]*", value.get_secret_value()):
        raise ValueError("a key has letters, digits and signs only, no blanks or line ends")
    return value


def _check_collection(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", value):
        raise ValueError("a collection has up to 63 small letters, digits, - and _")
    return value


Seconds = Annotated[float, Field(gt=0, le=86_400)]
Key = Annotated[SecretStr, AfterValidator(_check_key)]
Endpoint = Annotated[str, BeforeValidator(normalise_endpoint)]


class Settings(BaseSettings):
    """All settings; each can be given as RAG_<NAME>, in `.env`, or as a command-line flag."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # other programs share .env
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    endpoint: Endpoint = Field(
        "http://127.0.0.1:1234/v1",
        description="Base URL of the model server, or 'embedded' for the model inside the program.",
    )
    embedding_endpoint: Endpoint | None = Field(
        None, description="Another server for embeddings only; empty: the same as RAG_ENDPOINT."
    )
    chat_endpoint: Endpoint | None = Field(
        None, description="Another server for chat only; empty: the same as RAG_ENDPOINT."
    )
    api_key: Key = Field(
        SecretStr("lm-studio"), description="Key sent to the server; local servers take any."
    )
    embedding_api_key: Key | None = Field(
        None, description="Key for RAG_EMBEDDING_ENDPOINT; empty: RAG_API_KEY."
    )
    chat_api_key: Key | None = Field(
        None, description="Key for RAG_CHAT_ENDPOINT; empty: RAG_API_KEY."
    )
    embedding_model: str | None = Field(
        None, description="Embedding model; empty: chosen from what the server offers."
    )
    query_prefix: str | None = Field(
        None,
        description="Text before a question that is embedded; empty: as the model's family "
        "wants it; none: nothing.",
    )
    document_prefix: str | None = Field(
        None,
        description="Text before a passage that is embedded; empty: as the model's family "
        "wants it; none: nothing.",
    )
    chat_model: str | None = Field(
        None, description="Chat model; empty: chosen from what the server offers."
    )
    chat_surface: Literal["chat", "completions", "responses", "native", "native-completions"] = (
        Field(
            "chat",
            description="Endpoint that writes answers: chat, completions (base models), responses, "
            "native or native-completions (LM Studio's own, with statistics).",
        )
    )
    embedding_surface: Literal["openai", "native"] = Field(
        "openai", description="Endpoint that embeds: openai, or native (LM Studio's own)."
    )
    index_dir: Path = Field(Path("data/index"), description="Folder of the index.")
    collection: Annotated[str, AfterValidator(_check_collection)] | None = Field(
        None,
        description="Named part of the index to ingest into or to ask; empty: ingest into "
        "'default', ask all.",
    )
    cache_dir: Path = Field(
        Path(user_cache_dir("foldercite", appauthor=False)),
        description="Folder for downloaded model weights; empty: the user's cache folder.",
    )
    chunk_tokens: Annotated[int, Field(ge=32, le=4096)] = Field(
        200, description="Tokens of text in a chunk, 32 to 4096."
    )
    chunk_overlap: NonNegativeInt = Field(
        0,
        description="Tokens of them that repeat the chunk before, less than half of "
        "RAG_CHUNK_TOKENS.",
    )
    batch_size: Annotated[int, Field(ge=1, le=2048)] | None = Field(
        None,
        description="Texts in one embedding request, 1 to 2048; empty: grown while it pays.",
    )
    embedding_in_flight: Annotated[int, Field(ge=1, le=64)] | None = Field(
        None, description="Embedding requests at once, 1 to 64; empty: grown while it pays."
    )
    max_file_megabytes: PositiveInt = Field(
        64, description="Larger files are skipped and reported."
    )
    file_passwords: SecretStr | None = Field(
        None, description="Passwords to try on protected PDF files, one or several with commas."
    )
    ocr: Literal["auto", "off"] = Field(
        "auto", description="Pages without text: auto reads them where foldercite[ocr] is there."
    )
    hidden_files: bool = Field(
        False, description="Also read files and folders whose names begin with a dot."
    )
    follow_links: bool = Field(
        False, description="Also read what symbolic links lead to, inside the folder only."
    )
    parse_workers: Annotated[int, Field(ge=0, le=32)] | None = Field(
        None,
        description="Processes that read files, 0 to 32; empty: one per processor, 4 at most; "
        "0: none, so that one bad file can stop the run.",
    )
    file_timeout_seconds: Seconds = Field(
        30.0, description="Longest time for reading a file, besides its pages."
    )
    page_timeout_seconds: Seconds = Field(
        10.0, description="Longest time for reading one page of a file."
    )
    file_memory_megabytes: Annotated[int, Field(ge=512)] = Field(
        2048, description="Most memory for reading one file, 512 or more (Linux)."
    )
    top_k: Annotated[int, Field(ge=1, le=100)] = Field(
        30, description="Passages retrieved for a question, 1 to 100; the best that fit are read."
    )
    fusion: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        description="Weight of meaning beside words, 0 (words only) to 1; empty: weighed for "
        "each question.",
    )
    context_tokens: PositiveInt | None = Field(
        None, description="Context of the chat model in tokens; empty: what the server says."
    )
    answer_tokens: PositiveInt = Field(768, description="Most tokens of an answer.")
    temperature: Annotated[float, Field(ge=0, le=2)] = Field(
        0.1, description="Sampling temperature of the chat model, 0 to 2."
    )
    passages_tokens: Annotated[int, Field(ge=200)] = Field(
        2000, description="Most tokens of passages a model is shown, 200 or more."
    )
    passages_per_file: NonNegativeInt = Field(
        2, description="Most passages of one file while other files have some; 0: no limit."
    )
    refusal_threshold: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        description="Less evidence than this, 0 to 1, is 'not in your documents'; empty: as "
        "rag calibrate found, or the default.",
    )
    strict: bool = Field(False, description="Leave out statements that the passages do not hold.")
    keep_answers: bool = Field(
        True, description="Keep answers in the index folder, for rag chat and rag replay."
    )
    search: Literal["auto", "chroma", "exact"] = Field(
        "auto", description="Vector search: auto, chroma or exact."
    )
    # At 10 000 chunks a first exact search takes 0.1 s and every further one 3 ms, against 0.7 s
    # (importing chromadb) and 6 ms; at 100 000 it is 0.8 s and 12 ms against 2.2 s and 10 ms.
    # Exact search misses nothing, and takes 1.5 KB of memory for each vector of 384 numbers.
    exact_up_to: NonNegativeInt = Field(
        50_000, description="With auto, more chunks than this are searched through Chroma."
    )
    chroma_documents: bool = Field(
        False, description="Also store the text in Chroma, for other Chroma clients."
    )
    connect_timeout_seconds: Seconds = Field(3.0, description="Longest wait for a connection.")
    response_timeout_seconds: Seconds = Field(
        600.0, description="Longest wait for a first byte; loading a model takes minutes."
    )
    load_timeout_seconds: Seconds = Field(
        300.0, description="Longest wait for a server that loads a model or is busy."
    )
    idle_timeout_seconds: Seconds = Field(
        60.0, description="Longest silence in the middle of an answer."
    )

    def key_for(self, url: str) -> str:
        """Return the key that is sent to a server: its own, or the one for all."""
        own = {
            self.embedding_endpoint: self.embedding_api_key,
            self.chat_endpoint: self.chat_api_key,
        }
        return (own.get(url) or self.api_key).get_secret_value()

    @classmethod
    def load(
        cls,
        overrides: Mapping[str, object] | None = None,
        flags: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the settings from environment and `.env`, with `overrides` on top.

        Overrides that are None count as not given; `flags` tells how those of the command line
        were named there.  Raises SettingsError naming the setting, its value and what is allowed.
        """
        given = {name: value for name, value in (overrides or {}).items() if value is not None}
        unknown = sorted(set(given) - set(cls.model_fields))
        if unknown:
            raise SettingsError(
                f"unknown setting: {', '.join(unknown)}", "see .env.example for all settings"
            )
        try:
            return cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            raise _explain(error, flags or {}) from None
        except (SourceError, UnicodeDecodeError, OSError) as error:
            raise SettingsError(
                f"the settings in .env cannot be read: {error}", "save .env as UTF-8 text"
            ) from None

    @property
    def reading(self) -> Reading:
        """Return what reading a file may cost, and what is tried on it."""
        passwords = self.file_passwords.get_secret_value() if self.file_passwords else ""
        return Reading(
            max_file_bytes=self.max_file_megabytes * 1_000_000,
            passwords=tuple(filter(None, passwords.split(","))),
            ocr=self.ocr == "auto",
            file_seconds=self.file_timeout_seconds,
            page_seconds=self.page_timeout_seconds,
            memory_bytes=self.file_memory_megabytes * 1_000_000,
        )

    @property
    def embeddings_at(self) -> str:
        """Return the endpoint that embeds."""
        return self.embedding_endpoint or self.endpoint

    @property
    def chat_at(self) -> str:
        """Return the endpoint that answers."""
        return self.chat_endpoint or self.endpoint


def unknown_variables() -> list[str]:
    """Return RAG_ names of environment and `.env` that are no setting: spelling mistakes."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    return sorted(name for name in given - known if name.startswith(PREFIX))


def given_outside(names: Iterable[str]) -> list[str]:
    """Return the variables of those settings that the environment gives, which wins over `.env`."""
    given = {name.upper() for name, value in os.environ.items() if value}
    return [name for name in (f"{PREFIX}{one}".upper() for one in names) if name in given]


def _explain(error: ValidationError, flags: Mapping[str, str]) -> SettingsError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    field = Settings.model_fields[name]
    secret = name.endswith("_key")
    value = "(hidden)" if secret else re.sub("//[^/@]*@", "//(hidden)@", repr(first["input"]))
    reason = first["msg"].removeprefix("Value error, ")
    called = flags.get(name) or f"{PREFIX}{name.upper()}"
    return SettingsError(
        f"{called} is {value}: {reason[:1].lower()}{reason[1:]}",
        f"give {called} another value: {field.description}",
    )
