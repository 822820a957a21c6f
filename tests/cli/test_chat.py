"""Conversations as they are typed, on a terminal and through a pipe."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest
from asked_server import AskedServer, write_documents

from rag.cli.main import main

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX terminals")
# A terminal is that of a process, and its Ctrl-C a signal, when it leads a session of its own.
ON_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from rag.cli.main import start
start()
"""


@pytest.fixture(scope="module")
def server():
    with AskedServer().running() as running:
        yield running


@pytest.fixture(scope="module")
def flags(tmp_path_factory, server):
    home = tmp_path_factory.mktemp("chat")
    docs = write_documents(home / "docs")
    flags = ["--endpoint", server.url, "--index", str(home / "index"),
             "--set", "refusal_threshold=0"]  # fmt: skip
    assert main(["ingest", str(docs), *flags, "--set", "parse_workers=0"]) == 0
    return flags


@pytest.fixture
def say(run, flags, monkeypatch):
    """Run `rag chat` with lines typed into a pipe; gives exit code, output and errors."""

    def say(lines, *arguments):
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
        return run("chat", *flags, *arguments)

    return say


class Talk:
    """One `rag chat` on a terminal: keys in, what is seen out."""

    def __init__(self, flags, *arguments):
        self.control, terminal = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, "chat", *flags, *arguments],
            stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        )  # fmt: skip
        os.close(terminal)
        self.seen, self.at = "", 0
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with contextlib.suppress(OSError):  # Linux: the other side is closed
            while data := os.read(self.control, 65536):
                with self.changed:
                    self.seen += data.decode("utf-8", "replace")
                    self.changed.notify_all()

    def type(self, keys):
        os.write(self.control, keys.encode())

    def wait_for(self, text):
        """Wait until a text is seen after the last one that was waited for."""
        with self.changed:
            is_seen = self.changed.wait_for(lambda: text in self.seen[self.at :], 60)
            if not is_seen:
                self.process.kill()  # it would hold the answers that other tests copy
            assert is_seen, self.seen
            self.at = self.seen.index(text, self.at) + len(text)

    def end(self):
        code = self.process.wait(60)
        self.reader.join(10)
        os.close(self.control)
        assert "Traceback" not in self.seen
        return code


def test_conversation_is_kept_and_goes_on(run, say, flags, server):
    lines = ["What is the secret word of part 1?", "/filter part-2*", "And what of part 2?"]
    code, out, err = say([*lines, "/quit now", "never asked?"], "--name", "the parts")
    assert code == 0, err
    assert "It is 1 [1]." in out
    assert re.search(r"rag chat --resume ['\"]the parts['\"]", err)
    server.requests.clear()
    code, out, err = say(["/history", "And what of part 2 then?"], "--resume")
    assert code == 0
    assert "after 2 questions" in err
    assert "only files that match: part-2*" in err
    assert re.search(r"1  What is the secret word.*\n.*\n +2  And what of part 2", out)
    assert "[1] part-2.md" in out
    [asked] = server.asked("/v1/chat/completions")[-1:]
    assert "part-3.md" not in asked.json["messages"][-1]["content"]
    _, out, _ = run("chat", "--list", *flags)
    assert re.search(r"^the parts .* 3 questions: What is the secret", out, re.MULTILINE)
    code, _, err = run("chat", "--name", "the parts", *flags)
    assert code == 2
    assert re.search(r"rag chat --resume ['\"]the parts['\"]", err)


def test_commands_show_what_they_say(say):
    lines = ["/sources", "/why", "What is the secret word of part 3?", "/sources", "/why",
             "/filter nowhere", "/filter off", "/new", "/help"]  # fmt: skip
    code, out, err = say(lines, "--name", "commands")
    assert code == 0
    assert err.count("nothing was asked yet") == 2
    assert out.count("The secret word of part 3 is w3.") == 2  # with the answer, and in its passage
    assert "How it was found: What is the secret word of part 3?" in out
    assert re.search(r"rank +score .*passage\n +1 .*\((read|cited)\)\n", out)
    assert "(cited)" in out
    assert "no document matches nowhere" in err
    assert "a new conversation begins" in err
    assert "/quit" in err


def test_wrong_command_is_told_in_two_lines_and_a_blank_makes_a_question_of_it(say):
    code, out, err = say(["/nonsense", " /what of part 4?", "?!"], "What of", "part 2?")
    assert code == 0
    assert "there is no /nonsense" in err
    assert "/sources" not in err
    assert out.index("It is 2 [1].") < out.index("It is 4 [1].")  # the first came with the command
    assert "no question: ?!" in err


def test_error_of_the_server_is_shown_and_the_conversation_goes_on(say):
    code, out, err = say(["something bad", "What of part 4?"])
    assert code == 0
    assert re.search(r"^error: .*refused", err, re.MULTILINE)
    assert "It is 4 [1]." in out


@POSIX
def test_interrupts_stop_the_answer_first_and_the_conversation_only_twice(say, flags):
    talk = Talk(flags, "--name", "stopped")
    talk.wait_for("/help shows")
    talk.type("Tell it slow 5?\n")
    talk.wait_for("It is 5")
    talk.type("\x03")
    talk.wait_for("what was written is kept")
    talk.type("What of part 2?\n")
    talk.wait_for("It is 2 [1].")
    talk.wait_for("> ")
    time.sleep(0.5)  # readline misses a signal between its prompt and its wait for keys
    talk.type("\x03")
    talk.wait_for("Ctrl-C again")
    talk.wait_for("> ")
    time.sleep(0.5)
    talk.type("\x03")
    talk.wait_for("go on with it: rag chat --resume stopped")
    assert talk.end() == 0
    assert "And so on it goes" not in talk.seen
    _, out, _ = say(["/history"], "--resume", "stopped")
    assert re.search(r"1  Tell it slow 5\?\n +It is 5", out)
    assert "2  What of part 2?" in out


def test_answers_are_shown_where_none_can_be_kept(run, flags, tmp_path, say):
    index = tmp_path / "index"
    shutil.copytree(flags[3], index)
    (index / "answers.sqlite").write_bytes(b"no database at all" * 99)
    code, out, err = say(["What of part 1?", "And what of part 3?"], "--index", index)
    assert code == 0
    assert "It is 1 [1]." in out
    assert "It is 3 [1]." in out
    assert err.count("this answer is not kept") == 2
    assert "is damaged" in err


def test_forgotten_conversation_is_gone(run, say, flags):
    say(["What of part 1?"], "--name", "secret")
    code, _, err = run("chat", "--forget", "secret", "and what?", *flags)
    assert code == 2
    assert "--forget" in err
    code, out, _ = run("chat", "--forget", "secret", *flags)
    assert code == 0
    assert "1 answer" in out
    code, _, err = run("chat", "--resume", "secret", *flags)
    assert code == 1
    assert "rag chat --list" in err


def test_nothing_to_go_on_with_is_told(run, tmp_path):
    code, _, err = run("chat", "--resume", "--index", tmp_path)
    assert code == 1
    assert "fix:" in err
    code, _, err = run("chat", "--list", "--index", tmp_path)
    assert code == 0
    assert "begin one: rag chat" in err
    assert list(tmp_path.iterdir()) == []
