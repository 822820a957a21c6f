from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.base.documents import Failure, Known, Plan, Source
from ingest.base.errors import FolderError, UnreadableFile
from ingest.discover.ignore import printable_name
from ingest.discover.plan import diff, hold_back_great_loss, many_vanish
from ingest.discover.scan import Looking, Seen, check_folder, scan
from ingest.parse.base.files import fingerprint_of
from ingest.parse.base.media import media_type_of

SECOND = 1_000_000_000
NOW = 2_000_000_000 * SECOND

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX names and special files")


def write(root: Path, *names: str, text: str = "text") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def ids(root: Path) -> list[str]:
    return [source.id for source in scan(root).sources]


def reasons(root: Path) -> dict[str, str]:
    return {failure.source_id: failure.reason for failure in scan(root).failures}


def test_scan_lists_files_of_all_folders_sorted(tmp_path: Path) -> None:
    write(tmp_path, "b.txt", "a/z.md", "a/b/c.pdf", "README", "ü.html")
    assert ids(tmp_path) == ["README", "a/b/c.pdf", "a/z.md", "b.txt", "ü.html"]


def test_scan_tells_type_size_and_time(tmp_path: Path) -> None:
    write(tmp_path, "a.MD")
    os.utime(tmp_path / "a.MD", ns=(5 * SECOND, 7 * SECOND))
    (source,) = scan(tmp_path).sources
    assert (source.media_type, source.size_bytes, source.mtime_ns) == (
        "text/markdown",
        4,
        7 * SECOND,
    )
    assert source.root == os.path.realpath(tmp_path)
    assert source.path.read_text(encoding="utf-8") == "text"


def test_scan_passes_over_hidden_files_and_tool_folders(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", ".hidden", ".git/x.txt", "node_modules/x.txt", "~$open.docx")
    write(tmp_path, "__pycache__/x.txt", ".venv/x.txt", "venv/x.txt")
    assert ids(tmp_path) == ["a.txt"]
    assert reasons(tmp_path) == {}


def test_scan_passes_over_an_index_of_ours(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "index/catalogue.sqlite", "index/notes.txt")
    assert ids(tmp_path) == ["a.txt"]


def test_scan_refuses_keys_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", ".env", ".env.local", "id_rsa", "id_ed25519.pub", "x.pem", "y.KEY")
    write(tmp_path, "id_cards.pdf")
    assert ids(tmp_path) == ["a.txt", "id_cards.pdf"]
    assert set(reasons(tmp_path).values()) == {"secret"}
    assert len(reasons(tmp_path)) == 6


def test_scan_reports_formats_without_a_parser(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "photo.JPG", "data.zip", "tool.exe", "old.doc", "a.bak", "b.dat")
    refused = ("photo.JPG", "data.zip", "tool.exe")
    assert reasons(tmp_path) == dict.fromkeys(refused, "unsupported")
    assert [s.id for s in scan(tmp_path).sources] == ["a.bak", "a.txt", "b.dat", "old.doc"]


def test_scan_reports_files_over_the_limit(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    with (tmp_path / "big.txt").open("wb") as file:
        file.truncate(65 * 2**20)
    (failure,) = scan(tmp_path).failures
    assert (failure.source_id, failure.reason) == ("big.txt", "too-large")
    assert failure.message == "the file has 68.2 MB, the limit is 64 MB"
    assert "RAG_MAX_FILE_MEGABYTES" in failure.hint
    assert len(scan(tmp_path, 66 * 2**20).sources) == 2


def test_scan_of_a_deep_tree_stops_at_64_folders(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "/".join("d" * 64) + "/in.txt", "/".join("e" * 70) + "/out.txt")
    assert ids(tmp_path) == ["a.txt", "/".join("d" * 64) + "/in.txt"]
    assert reasons(tmp_path) == {"/".join("e" * 65): "too-deep"}


@needs_posix
def test_scan_reports_links_and_follows_none(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "folder/b.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    (tmp_path / "broken.txt").symlink_to("nowhere")
    assert ids(tmp_path) == ["a.txt", "folder/b.txt"]
    assert reasons(tmp_path) == dict.fromkeys(("loop", "link.txt", "broken.txt"), "symlink")


@needs_posix
def test_scan_reports_pipes(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    assert reasons(tmp_path) == {"pipe.txt": "special-file"}


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user"
)
def test_scan_reports_a_folder_it_may_not_open(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "closed/b.txt")
    (tmp_path / "closed").chmod(0)
    try:
        assert reasons(tmp_path) == {"closed": "unreadable"}
    finally:
        (tmp_path / "closed").chmod(0o700)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such names cannot exist")
def test_scan_escapes_names_that_are_no_text(tmp_path: Path) -> None:
    for name in (b"\xff.txt", b"\\xff.txt", b"new\nline.txt", "🎉.txt".encode()):
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_text("x", encoding="utf-8")
    sources = scan(tmp_path).sources
    assert [source.id for source in sources] == [
        r"\\xff.txt",
        r"\xff.txt",
        r"new\nline.txt",
        "🎉.txt",
    ]
    assert all(source.path.read_text(encoding="utf-8") == "x" for source in sources)


@given(st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_different_names_stay_different_and_encodable(names: list[str]) -> None:
    one, other = map(printable_name, names)
    assert one != other
    one.encode("utf-8")


def test_scan_of_one_file_sees_only_that(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b.txt")
    (source,) = scan(tmp_path / "a.txt").sources
    assert source.id == "a.txt"
    assert source.root == os.path.realpath(tmp_path)


def test_scan_of_nothing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="there is no file or folder") as missing:
        scan(tmp_path / "missing")
    assert missing.value.hint
    (tmp_path / "catalogue.sqlite").write_bytes(b"")
    with pytest.raises(FolderError, match="is an index"):
        scan(tmp_path)


def test_scan_of_an_empty_folder_finds_nothing(tmp_path: Path) -> None:
    assert scan(tmp_path) == Seen()


def test_check_takes_folders_and_files_only(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    check_folder(tmp_path)
    check_folder(tmp_path / "a.txt")
    with pytest.raises(FolderError, match="there is no file or folder"):
        check_folder(tmp_path / "missing")


@needs_posix
def test_check_refuses_what_is_neither(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FolderError, match="neither a folder nor a file"):
        check_folder(tmp_path / "pipe")


def follow(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What is read when links are followed, id to real path, and what is refused."""
    seen = scan(root, looking=Looking(follow_links=True))
    real = os.path.realpath(root)
    paths = {s.id: os.path.relpath(s.path, real).replace(os.sep, "/") for s in seen.sources}
    return paths, {failure.source_id: failure.message for failure in seen.failures}


@needs_posix
def test_links_are_followed_inside_the_root_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "a.txt", ".store/b.txt", ".store/deep/c.txt")
    write(tmp_path, "outside.txt")
    (root / "b.txt").symlink_to(".store/b.txt")
    (root / "folder").symlink_to(".store/deep")
    (root / "out.txt").symlink_to(tmp_path / "outside.txt")
    (root / "up").symlink_to(tmp_path)
    (root / "broken.txt").symlink_to("nowhere")
    (root / "self.txt").symlink_to("self.txt")
    paths, refused = follow(root)
    assert paths == {"a.txt": "a.txt", "b.txt": ".store/b.txt", "folder/c.txt": ".store/deep/c.txt"}
    assert "leads out of the folder" in refused["out.txt"]
    assert "leads out of the folder" in refused["up"]
    assert "leads nowhere" in refused["broken.txt"]
    assert "self.txt" in refused


@needs_posix
def test_each_real_file_is_there_once_and_loops_end(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "sub/b.txt", ".store/c.txt", ".store/d/e.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "sub" / "up").symlink_to("..")
    (tmp_path / "again.txt").symlink_to("a.txt")
    (tmp_path / "one").symlink_to(".store/d")
    (tmp_path / "two").symlink_to(".store")
    (tmp_path / "three").symlink_to(".store/d")
    (tmp_path / "c.txt").symlink_to(".store/c.txt")
    (tmp_path / ".store" / "back").symlink_to(tmp_path / "two")
    paths, refused = follow(tmp_path)
    assert sorted(paths.values()) == [".store/c.txt", ".store/d/e.txt", "a.txt", "sub/b.txt"]
    assert refused == {}


@needs_posix
def test_links_to_secrets_are_refused_whatever_they_are_called(tmp_path: Path) -> None:
    write(tmp_path, ".hidden/id_rsa", ".ssh/config.txt")
    (tmp_path / "notes.txt").symlink_to(".hidden/id_rsa")
    (tmp_path / "folder").symlink_to(".ssh")
    paths, refused = follow(tmp_path)
    assert paths == {}
    assert set(refused) == {".ssh", "folder", "notes.txt"}


@needs_posix
def test_ignored_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, ".store/b.txt")
    write(tmp_path, ".ragignore", text="*.txt")
    (tmp_path / "b.txt").symlink_to(".store/b.txt")
    assert follow(tmp_path) == ({}, {})


def test_known_only_looks_at_no_folders(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "sub/b.txt")
    seen = scan(tmp_path, looking=Looking(known_only=True))
    assert [source.id for source in seen.sources] == ["a.txt"]


def test_ten_thousand_unchanged_files_cost_little(tmp_path: Path) -> None:
    for number in range(2000):
        write(tmp_path, f"{number % 20}/note-{number}.md")
    started = time.process_time()
    sources = scan(tmp_path).sources
    known = {
        s.id: Known(
            "f", "r", s.size_bytes, s.mtime_ns, s.mtime_ns + 9 * SECOND, ctime_ns=s.ctime_ns
        )
        for s in sources
    }
    assert len(diff(sources, known, "r", never).unchanged) == 2000
    assert time.process_time() - started < 0.4  # A fifth of the files, five times the room.


# diff


def source(id: str, size: int = 10, mtime: int = NOW - 60 * SECOND) -> Source:
    return Source(id, "/root", Path("/root") / id, media_type_of(id), size, mtime)


def entry(fingerprint: str = "f", failure: Failure | None = None, **changes: object) -> Known:
    known = Known(fingerprint, "r", 10, NOW - 60 * SECOND, NOW, failure)
    return replace(known, **changes)


def never(source: Source) -> str:
    raise AssertionError(f"{source.id} was read without need")


def says(fingerprint: str) -> Callable[[Source], str]:
    return lambda source: fingerprint


def refuses(source: Source) -> str:
    raise UnreadableFile("no")


def test_same_size_and_old_time_is_unchanged_without_reading() -> None:
    assert diff([source("a")], {"a": entry()}, "r", never).unchanged == (source("a"),)


def test_a_time_too_close_to_the_last_look_is_read_again() -> None:
    close = NOW - 2 * SECOND
    seen = source("a", mtime=close)
    known = {"a": entry(mtime_ns=close)}
    assert diff([seen], known, "r", says("f")).touched == (seen,)
    assert diff([seen], known, "r", says("other")).changed == (seen,)


def test_another_time_of_change_is_read_again_though_the_clock_was_ahead_when_it_was_seen() -> None:
    seen = replace(source("a"), ctime_ns=NOW)
    known = {"a": entry(ctime_ns=NOW - 60 * SECOND, seen_ns=NOW + 3600 * SECOND)}
    assert diff([seen], known, "r", says("other")).changed == (seen,)
    assert diff([seen], known, "r", says("f")).touched == (seen,)
    assert diff([seen], {"a": entry(seen_ns=NOW + 3600 * SECOND)}, "r", says("f")).touched == (
        seen,
    )


def test_another_time_and_the_same_content_is_touched() -> None:
    seen = source("a", mtime=NOW - 50 * SECOND)
    assert diff([seen], {"a": entry()}, "r", says("f")).touched == (seen,)
    assert diff([seen], {"a": entry()}, "r", says("other")).changed == (seen,)


def test_another_size_recipe_or_no_fingerprint_is_changed_without_reading() -> None:
    assert diff([source("a", size=11)], {"a": entry()}, "r", never).changed
    assert diff([source("a")], {"a": entry(recipe="old")}, "r", never).changed
    assert diff([source("a")], {"a": entry(fingerprint="")}, "r", never).changed


def test_a_file_that_cannot_be_read_now_is_changed() -> None:
    seen = source("a", mtime=NOW - 50 * SECOND)
    assert diff([seen], {"a": entry()}, "r", refuses).changed == (seen,)


def test_a_new_file_is_not_read_when_nothing_vanished() -> None:
    assert diff([source("a")], {}, "r", never).new == (source("a"),)


def test_a_vanished_content_under_a_new_name_is_moved() -> None:
    plan = diff([source("b")], {"a": entry()}, "r", says("f"))
    (move,) = plan.moved
    assert (move.old_id, move.source.id, move.fingerprint) == ("a", "b", "f")
    assert plan.vanished == plan.new == ()


@pytest.mark.parametrize(
    ("known", "new"),
    [
        (entry(fingerprint="g"), source("b")),
        (entry(recipe="old"), source("b")),
        (entry(size_bytes=11), source("b")),
        (entry(failure=Failure("a", "empty", "")), source("b")),
        (entry(), source("b.md")),
    ],
)
def test_what_is_not_surely_the_same_is_not_moved(known: Known, new: Source) -> None:
    plan = diff([new], {"a": known}, "r", says("f"))
    assert plan.new == (new,)
    assert plan.vanished == ("a",)


def test_a_vanished_file_moves_once() -> None:
    plan = diff([source("b"), source("c")], {"a": entry()}, "r", says("f"))
    assert [move.source.id for move in plan.moved] == ["b"]
    assert plan.new == (source("c"),)


def test_a_refused_file_with_the_same_bytes_is_refused_again_unread() -> None:
    failure = Failure("a", "encrypted", "a password is needed")
    plan = diff([source("a")], {"a": entry(failure=failure)}, "r", never)
    assert plan.skipped == (failure,)
    assert diff([source("a")], {"a": entry(failure=failure)}, "new", never).changed


def test_a_change_that_hid_its_time_is_read_again() -> None:
    """`touch -r` restores the time of the content, not that of the change."""
    seen = replace(source("a"), ctime_ns=NOW + SECOND)
    assert diff([seen], {"a": entry()}, "r", says("other")).changed == (seen,)
    assert diff([seen], {"a": entry()}, "r", says("f")).touched == (seen,)
    old = replace(source("a"), ctime_ns=NOW - 60 * SECOND)
    known = {"a": entry(ctime_ns=old.ctime_ns)}
    assert diff([old], known, "r", never).unchanged == (old,)


def test_times_in_the_future_prove_nothing() -> None:
    seen = source("a", mtime=NOW + 3600 * SECOND)
    known = {"a": entry(mtime_ns=seen.mtime_ns)}
    assert diff([seen], known, "r", says("other")).changed == (seen,)


@needs_posix
def test_edit_of_the_same_size_with_its_time_restored_is_seen(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", text="one")
    path = tmp_path / "a.txt"
    old = path.stat().st_mtime_ns - 3600 * SECOND
    os.utime(path, ns=(old, old))
    known = {"a.txt": Known(fingerprint_of(b"one"), "r", 3, old, time.time_ns())}
    path.write_text("two", encoding="utf-8")
    os.utime(path, ns=(old, old))
    sources = scan(tmp_path).sources
    plan = diff(sources, known, "r", lambda source: fingerprint_of(source.path.read_bytes()))
    assert plan.changed == sources


def content(**of: str) -> Callable[[Source], str]:
    return lambda source: of[source.id.replace("/", "_").replace(".", "_")]


def test_swapped_names_are_two_changes() -> None:
    """Both are read again and neither is embedded again: vectors are kept by content."""
    later = NOW + SECOND
    a, b = (replace(source(id), ctime_ns=later) for id in "ab")
    known = {"a": entry(fingerprint="1"), "b": entry(fingerprint="2")}
    assert diff([a, b], known, "r", content(a="2", b="1")).changed == (a, b)


def test_moved_and_edited_is_new_and_gone() -> None:
    plan = diff([source("x/a")], {"a": entry()}, "r", says("edited"))
    assert (plan.new, plan.vanished, plan.moved) == ((source("x/a"),), ("a",), ())


def test_name_in_another_case_is_moved() -> None:
    plan = diff([source("README.md")], {"readme.md": entry()}, "r", says("f"))
    assert [(move.old_id, move.source.id) for move in plan.moved] == [("readme.md", "README.md")]


def test_of_two_identical_files_only_the_deleted_one_goes() -> None:
    known = {"a": entry(), "b": entry()}
    plan = diff([source("a")], known, "r", never)
    assert (plan.unchanged, plan.vanished) == ((source("a"),), ("b",))
    plan = diff([source("a"), source("c")], known, "r", says("f"))
    assert [(move.old_id, move.source.id) for move in plan.moved] == [("b", "c")]


def test_renamed_folder_of_many_files_is_moved_in_linear_time() -> None:
    number = 5000
    known = {f"old/{n}": entry(fingerprint=str(n)) for n in range(number)}
    started = time.process_time()
    plan = diff([source(f"new/{n}") for n in range(number)], known, "r", lambda s: s.id[4:])
    assert len(plan.moved) == number
    assert all(move.old_id[4:] == move.source.id[4:] for move in plan.moved)
    assert time.process_time() - started < 2


def some(number: int) -> tuple[Source, ...]:
    return tuple(source(f"kept-{n}") for n in range(number))


def gone(number: int) -> tuple[str, ...]:
    return tuple(f"gone/{n}" for n in range(number))


@pytest.mark.parametrize(
    ("plan", "number"),
    [
        (Plan(vanished=gone(21)), 21),
        (Plan(vanished=gone(20)), 0),
        (Plan(vanished=gone(15), unchanged=some(14)), 15),
        (Plan(vanished=gone(15), changed=some(15)), 0),
        (Plan(vanished=gone(99), ignored=("gone/",)), 0),
        (Plan(vanished=gone(99), ignored=("gone/0",)), 98),
    ],
)
def test_most_documents_vanish_only_when_that_is_wanted(plan: Plan, number: int) -> None:
    assert many_vanish(plan) == number
    if not number:
        assert hold_back_great_loss(Path("/root"), plan) is plan
    elif plan.unchanged:
        held = hold_back_great_loss(Path("/root"), plan)
        assert (held.held_back, held.vanished) == (plan.vanished, ())
    else:
        with pytest.raises(FolderError, match=f"{number} documents") as refused:
            hold_back_great_loss(Path("/root"), plan)
        assert "--yes" in refused.value.hint


def test_only_what_was_not_ignored_is_held_back() -> None:
    plan = Plan(vanished=gone(30), ignored=("gone/3",), new=some(1))
    held = hold_back_great_loss(Path("/root"), plan)
    assert (len(held.held_back), held.vanished, held.new) == (29, ("gone/3",), some(1))


known_files = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(
        Known,
        st.sampled_from(["f", "g", ""]),
        st.sampled_from(["r", "old"]),
        st.sampled_from([10, 11]),
        st.sampled_from([NOW - 60 * SECOND, NOW - SECOND]),
        st.just(NOW),
        st.sampled_from([None, Failure("x", "empty", "")]),
    ),
)


@given(known_files, st.sets(st.sampled_from("abcdefgh")), st.sampled_from("fg"))
def test_every_source_is_in_exactly_one_list(
    known: dict[str, Known], seen: set[str], fingerprint: str
) -> None:
    known = {
        id: replace(e, failure=e.failure and replace(e.failure, source_id=id))
        for id, e in known.items()
    }
    plan = diff([source(id) for id in sorted(seen)], known, "r", says(fingerprint))
    listed = [s.id for s in (*plan.new, *plan.changed, *plan.unchanged, *plan.touched)]
    listed += [move.source.id for move in plan.moved]
    listed += [failure.source_id for failure in plan.skipped]
    assert sorted(listed) == sorted(seen)
    gone = {*plan.vanished, *(move.old_id for move in plan.moved)}
    assert gone == known.keys() - seen
