"""Whoever waited longest is next."""

import threading
import time

import pytest

from glissile.gan.turns import Turns


def test_a_long_work_lets_others_in_between() -> None:
    turns, order = Turns(), []
    begun = threading.Event()

    def long_work() -> None:
        for i in range(20):
            with turns:
                begun.set()
                order.append(f"long {i}")
                time.sleep(0.02)

    thread = threading.Thread(target=long_work)
    thread.start()
    begun.wait(5)
    with turns:
        order.append("short")
    thread.join(10)
    assert order.index("short") <= 2  # an ordinary lock: mostly the last
    assert len(order) == 21


def test_one_at_a_time_in_the_order_of_asking() -> None:
    turns, inside, order = Turns(), [], []
    asked = [threading.Event() for _ in range(5)]

    def work(i: int) -> None:
        asked[i].set()
        with turns:
            inside.append(i)
            assert len(inside) == 1
            order.append(i)
            inside.remove(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(5)]
    with turns:
        for thread, there in zip(threads, asked, strict=True):
            thread.start()
            there.wait(5)
            time.sleep(0.02)
    for thread in threads:
        thread.join(5)
    assert order == [0, 1, 2, 3, 4]


def test_an_error_ends_a_turn() -> None:
    turns = Turns()
    with pytest.raises(RuntimeError, match="within"), turns:
        raise RuntimeError("within")
    with turns:
        pass
