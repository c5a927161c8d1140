"""Every way of asking the demo to stop is noted, and the handlers of before come back."""

import os
import signal

import pytest

from executor.demo.stopping import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_noted_and_nothing_is_torn_up(number):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop
        assert stop.signal == number
    assert signal.getsignal(number) is before
