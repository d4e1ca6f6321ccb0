from __future__ import annotations

import sys
import threading
import time

from MedDLLogic.errors import MedDLError
from MedDLLogic.jobs.background import Background


def delivered(background, answers, count):
    while len(answers) < count:
        background.deliver()
        time.sleep(0.001)
    return answers


def test_tasks_are_done_in_order_by_another_thread_and_taken_over_in_this_one():
    background, answers, takers = Background(), [], []
    for number in range(5):
        background.do(
            lambda n=number: (n, threading.get_ident()),
            lambda answer: (answers.append(answer), takers.append(threading.get_ident())),
        )
    delivered(background, answers, 5)
    assert [n for n, _ in answers] == list(range(5)) and set(takers) == {threading.get_ident()}
    assert len({thread for _, thread in answers} - {threading.get_ident()}) == 1
    background.close()


def test_what_goes_wrong_is_an_answer_too():
    background, answers = Background(), []
    background.do(lambda: 1 / 0, answers.append)
    background.do(lambda: (_ for _ in ()).throw(MedDLError("E501", "disk full")), answers.append)
    assert [error.code for error in delivered(background, answers, 2)] == ["E901", "E501"]
    background.close()


def test_it_is_busy_until_all_is_delivered_and_never_after_its_end():
    background, answers = Background(), []
    assert not background.is_busy
    background.do(lambda: 1, answers.append)
    assert background.is_busy
    background.close()
    background.deliver()
    assert answers == [] and not background.is_busy


def test_its_thread_gets_on_though_the_one_that_asks_never_lets_go_of_pythons_lock():
    background, answers, interval_s = Background(), [], sys.getswitchinterval()
    background.do(lambda: 1, answers.append)
    delivered(background, answers, 1)
    sys.setswitchinterval(100.0)
    try:
        background.do(lambda: 2, answers.append)
        for _ in range(1000):
            background.deliver()
    finally:
        sys.setswitchinterval(interval_s)
    background.close()
    assert answers == [1, 2]
