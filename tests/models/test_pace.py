"""The pace against made-up servers, in made-up time."""

import threading
from collections import deque

import pytest

from rag.models.embedding.pace import Mark, Pace, PaceRecord, pace_for


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def drive(seconds_of, *arguments, calls: int = 200, **options) -> Pace:
    """Embed as long as told; `seconds_of(texts, at_once)` is what one request takes."""
    clock = Clock()
    pace = Pace(*arguments, clock=clock, **options)
    running: deque = deque()
    for _ in range(calls):
        while len(running) < pace.in_flight:
            mark, size = pace.begin(), pace.batch_size
            running.append((clock.now + seconds_of(size, len(running) + 1), mark, size))
        clock.now, mark, size = running.popleft()
        pace.end(mark, size, size * 200)
    return pace


def each_text_alone(texts, at_once):
    """One text after the other, all requests in one line: nothing to gain."""
    return texts * 0.01 * at_once


def cost_per_request(texts, at_once):
    """Long pauses around each request, which others can fill."""
    return 1.0 + texts * 0.001


def best_with_64(texts, at_once):
    """Up to 64 texts cost the same; more must wait, and so must other requests."""
    return 0.1 * -(-texts // 64) * at_once


def slots(texts, at_once):
    """Four requests are served as fast as one."""
    return texts * 0.01 * max(1, at_once / 4)


@pytest.mark.parametrize(
    ("server", "most", "batch_size", "in_flight"),
    [
        (each_text_alone, 4, 16, 1),
        (cost_per_request, 4, 256, 4),
        (best_with_64, 4, 64, 1),
        (slots, 2, 16, 2),
        (slots, 16, 16, 4),
    ],
)
def test_pace_grows_while_it_pays(server, most, batch_size, in_flight):
    pace = drive(server, most)
    assert pace.record == PaceRecord(
        batch_size,
        in_flight,
        True,
        pytest.approx(batch_size * in_flight / server(batch_size, in_flight), rel=0.3),
    )


def test_tokens_of_a_request_grow_with_its_texts():
    assert drive(each_text_alone).batch_tokens == 16 * 256
    assert Pace(batch_size=2048).batch_tokens == 65_536


def late_gain(texts, at_once):
    """Nothing is gained before 128 texts."""
    return (0.1 if texts >= 128 else 0.1 * texts / 25) * at_once


def falling(texts, at_once):
    """The more texts the slower each."""
    return 0.001 * texts**1.5 * at_once


def test_a_gain_that_comes_late_is_found_and_a_loss_is_not_followed():
    assert drive(late_gain).batch_size == 256
    sizes: list[int] = []
    drive(lambda texts, n: sizes.append(texts) or falling(texts, n))
    assert max(sizes) == 32


def test_what_is_being_tried_is_not_what_the_next_run_begins_with():
    record = None
    for _ in range(7):
        record = drive(falling, calls=3, start=record).record
        assert record == PaceRecord(16, 1, False, pytest.approx(16 / falling(16, 1)))
    assert drive(falling, start=record).record.settled


def crash(pace: Pace) -> Mark:
    mark = pace.begin()
    pace.crashed(mark)
    pace.end(mark)
    return mark


def test_a_crash_at_what_is_tried_leads_back_for_good():
    pace = drive(cost_per_request, 4, calls=7)
    assert pace.batch_size == 64
    crash(pace)
    assert (pace.batch_size, pace.in_flight) == (32, 1)
    assert pace.record == PaceRecord(32, 1, True, pytest.approx(31, abs=1))
    assert drive(cost_per_request, 4, start=pace.record).batch_size == 32


def test_crashes_that_have_nothing_to_do_with_the_size_are_forgotten_by_the_next_run():
    record = start = PaceRecord(64, 4, True, 99.0)
    for _ in range(9):
        pace = Pace(4, start=record)
        crash(pace)
        assert (pace.batch_size, pace.in_flight) == (64, 1)
        record = pace.record
    assert record == start


def test_a_size_that_proved_too_much_is_where_the_next_run_does_not_begin():
    pace = Pace(4, start=PaceRecord(64, 4, True, 99.0))
    pace.was_too_much(crash(pace), 0.25)
    assert (pace.batch_size, pace.in_flight) == (16, 1)
    assert pace.record == PaceRecord(16, 1)
    assert drive(cost_per_request, 4, start=pace.record).batch_size == 256, "it may grow again"
    given = Pace(4, batch_size=64, in_flight=2)
    given.was_too_much(crash(given), 0.25)
    assert (given.batch_size, given.in_flight) == (64, 2)


def test_a_most_of_texts_stays_when_the_step_is_judged():
    clock = Clock()
    pace = Pace(4, clock=clock)

    def embed(seconds: float) -> None:
        for _ in range(3):
            mark = pace.begin()
            clock.now += seconds
            pace.end(mark, pace.batch_size, pace.batch_size * 200)

    embed(1)
    embed(1)
    assert pace.record.batch_size == 32
    pace.at_most(20)
    assert pace.record == PaceRecord(20, 1)
    for _ in range(5):
        embed(9)
        assert pace.batch_size == 20


def test_who_is_interrupted_while_waiting_to_be_alone_holds_nobody_back():
    times = iter((0.0,))

    def clock() -> float:
        for now in times:
            return now
        raise KeyboardInterrupt

    pace = Pace(clock=clock)
    with pytest.raises(KeyboardInterrupt), pace.alone():
        pytest.fail("it was not interrupted")
    times = iter((1.0, 2.0))
    thread = threading.Thread(target=pace.begin, daemon=True)
    thread.start()
    thread.join(0.5)
    assert not thread.is_alive()


def test_a_crash_leaves_one_request_at_a_time_and_does_not_sink_the_batch():
    pace = Pace(16, start=PaceRecord(64, 8))
    marks = [pace.begin() for _ in range(8)]
    for mark in marks:
        pace.crashed(mark)
        pace.end(mark)
    assert (pace.batch_size, pace.in_flight) == (64, 1)
    for _ in range(9):
        crash(pace)
    assert (pace.batch_size, pace.in_flight) == (64, 1)


def test_numbers_that_are_given_stay():
    pace = drive(cost_per_request, 4, batch_size=20)
    assert (pace.batch_size, pace.in_flight) == (20, 4)
    pace = drive(cost_per_request, 4, in_flight=3)
    assert (pace.batch_size, pace.in_flight) == (256, 3)
    pace = drive(cost_per_request, 4, batch_size=5, in_flight=2)
    pace.crashed()
    assert (pace.batch_size, pace.in_flight) == (5, 2)


def test_the_next_run_goes_on_where_this_one_was():
    first = drive(cost_per_request, 4, calls=7)
    assert 16 < first.batch_size < 256
    assert not first.record.settled
    assert drive(cost_per_request, 4, start=first.record).batch_size == 256
    settled = PaceRecord(32, 2, True, 99.0)
    assert Pace(start=settled).record == settled
    assert (drive(cost_per_request, 4, start=settled).batch_size) == 32


def test_requests_that_are_not_full_say_nothing():
    clock = Clock()
    pace = Pace(clock=clock)
    for _ in range(20):
        mark = pace.begin()
        clock.now += 1
        pace.end(mark, 3, 60)
    assert pace.record == PaceRecord()
    for _ in range(3):
        mark = pace.begin()
        clock.now += 1
        pace.end(mark, 2, 4000)
    assert pace.batch_size == 32, "a few long texts are full as well"


def test_most_texts_are_for_good():
    pace = Pace(4, batch_size=64)
    pace.at_most(1)
    pace.crashed()
    assert pace.batch_size == 1


def test_alone_waits_for_the_others_and_holds_them_back():
    pace, log = Pace(), []
    first = pace.begin()

    def other() -> None:
        pace.begin()
        log.append("other")

    def lonely() -> None:
        with pace.alone():
            log.append("alone")
            thread = threading.Thread(target=other)
            thread.start()
            thread.join(0.1)
            log.append("still alone")

    thread = threading.Thread(target=lonely)
    thread.start()
    thread.join(0.1)
    assert log == []
    pace.end(first)
    thread.join(5)
    deadline = threading.Event()
    for _ in range(100):
        if len(log) == 3:
            break
        deadline.wait(0.01)
    assert log == ["alone", "still alone", "other"]


@pytest.mark.parametrize(
    ("server", "slots", "most"),
    [("LM Studio", 4, 2), ("Ollama", None, 2), ("vLLM", None, 16), ("llama.cpp", 6, 6), ("llama.cpp", None, 4), ("the server", None, 4)],
)  # fmt: skip
def test_each_server_has_its_most(server, slots, most):
    paces = (pace_for(server, slots, batch_size=8, start=PaceRecord(in_flight=n)) for n in (1, 64))
    assert [pace.in_flight for pace in paces] == [1, most]


def test_the_embedded_model_needs_no_search():
    assert pace_for("the embedded model").record == PaceRecord(64, 1, True)
    assert pace_for("the embedded model", batch_size=8).record == PaceRecord(8, 1, True)
