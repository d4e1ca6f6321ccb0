from __future__ import annotations

import os
import signal

import pytest

from MedDLLogic.jobs.signals import cancelled_by_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_as_a_wish_to_cancel(number):
    with cancelled_by_signals() as is_cancelled:
        assert not is_cancelled()
        os.kill(os.getpid(), number)
        assert is_cancelled()


def test_a_second_signal_interrupts_at_once():
    with cancelled_by_signals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_afterwards_signals_mean_what_they_did():
    before = signal.getsignal(signal.SIGTERM)
    with cancelled_by_signals():
        pass
    assert signal.getsignal(signal.SIGTERM) == before
