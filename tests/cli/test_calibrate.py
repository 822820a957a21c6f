"""`rag calibrate` as a user types it."""

import json

import pytest
from asked_server import AskedServer, write_documents
from fault_server import fail

from rag.query.evidence.calibration import FILE


@pytest.fixture
def flags(tmp_path, run):
    with AskedServer().running() as server:
        folder = write_documents(tmp_path / "docs", 60)
        for n, path in enumerate(sorted(folder.iterdir())):
            text = f"On {n % 27 + 1} May {1990 + n} Ada Fell replaced pump number {n + 10} of the plant."
            path.write_text(f"# Part {n}\n\n{text}", encoding="utf-8")
        flags = ["--endpoint", server.url, "--index", tmp_path / "index",
                 "--set", "parse_workers=0"]  # fmt: skip
        assert run("ingest", folder, *flags)[0] == 0
        yield flags


def test_calibrate_shows_what_thresholds_do_and_keeps_its_choice(run, flags, tmp_path):
    code, out, err = run("calibrate", *flags, "--max-wrong", "0.1")
    assert code == 0
    assert "wrongly refused" in out
    assert "chosen" in out
    assert "asked 50 of" in err
    assert json.loads((tmp_path / "index" / FILE).read_text("utf-8"))["max_wrong"] == 0.1


def test_calibrate_prints_json(run, flags):
    code, out, _ = run("calibrate", *flags, "--json")
    assert code == 0
    assert {"calibration", "points", "chosen", "expected", "counts"} <= set(json.loads(out))


def test_calibrate_says_when_there_is_too_little_or_the_rate_is_no_share(run, flags, tmp_path):
    code, _, err = run("calibrate", *flags, "--questions", "5")
    assert code == 1
    assert "40 are the fewest" in err
    assert not (tmp_path / "index" / FILE).exists()
    code, _, err = run("calibrate", *flags, "--max-wrong", "7")
    assert code == 1
    assert "give a share" in err


def test_chat_model_asks_in_words_of_its_own_and_what_it_fails_is_counted(tmp_path, run):
    with AskedServer().running() as server:
        folder = write_documents(tmp_path / "docs", 60)
        for n, path in enumerate(sorted(folder.iterdir())):
            text = f"On {n % 27 + 1} May {1990 + n} Ada Fell replaced pump number {n + 10} of the plant."
            path.write_text(f"# Part {n}\n\n{text}", encoding="utf-8")
        flags = ["--endpoint", server.url, "--index", tmp_path / "index",
                 "--set", "parse_workers=0"]  # fmt: skip
        assert run("ingest", folder, *flags)[0] == 0
        asked: list[str] = []

        def reply(request):
            asked.append(request.json["messages"][-1]["content"])
            if len(asked) % 5 == 0:
                return fail("not now")
            return server.reply_as(json.dumps({"question": f"Who changed part {len(asked)}?"}))

        server.on("/v1/chat/completions", reply)
        code, out, err = run("calibrate", *flags, "--json")
    assert code == 0, err
    counts = json.loads(out)["counts"]
    assert 0 < len(asked) <= 40
    assert counts["natural"] == len(asked) - counts["not-written"]
    assert counts["not-written"] == len(asked) // 5
    assert "Ada Fell replaced pump" in asked[0]
    assert "the model was asked for 10 of" in err
