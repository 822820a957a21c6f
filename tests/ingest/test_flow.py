from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from ingest.flow import Clock, run_ahead


def numbers(made: list[int], most: int = 100) -> Iterator[int]:
    for number in range(most):
        made.append(number)
        yield number


def ones(_: int) -> int:
    return 1


def test_items_come_in_order_from_another_thread() -> None:
    threads = set()

    def items() -> Iterator[int]:
        for number in range(50):
            threads.add(threading.current_thread())
            yield number

    assert list(run_ahead(items(), ones, 3)) == list(range(50))
    assert threading.current_thread() not in threads


def test_no_more_is_made_than_may_wait() -> None:
    made: list[int] = []
    with closing(run_ahead(numbers(made), lambda number: 10, 30)) as items:
        next(items)
        time.sleep(0.2)
        assert len(made) == 4
        next(items)
        time.sleep(0.2)
        assert len(made) == 5


def test_one_item_is_made_however_heavy() -> None:
    assert list(run_ahead(numbers([], 3), lambda number: 99, 1)) == [0, 1, 2]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    ahead = run_ahead(items(), ones, 9)
    assert next(ahead) == 1
    with pytest.raises(KeyboardInterrupt):
        next(ahead)


def test_closing_leaves_no_thread() -> None:
    before, made = threading.active_count(), []
    with closing(run_ahead(numbers(made), ones, 2)) as items:
        next(items)
    assert threading.active_count() == before
    assert len(made) <= 4
    run_ahead(numbers(made), ones, 2).close()
    assert len(made) <= 4


def test_a_stage_inside_another_takes_its_time_from_it() -> None:
    clock = Clock(("outer", "inner"))
    with clock.timed("outer"), clock.timed("inner"):
        time.sleep(0.05)
    assert clock.seconds["outer"] < 0.02 < clock.seconds["inner"]


def test_stages_of_two_threads_do_not_take_from_each_other() -> None:
    clock = Clock(("one", "two"))

    def work() -> None:
        with clock.timed("two"):
            time.sleep(0.05)

    thread = threading.Thread(target=work)
    with clock.timed("one"):
        thread.start()
        thread.join()
    assert min(clock.seconds.values()) > 0.04
