"""A server that has been started is always stopped, even if a signal arrives during the start."""

import signal
import subprocess
import sys

import pytest

from dev.host import server
from dev.host.fetch import host_folder


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_starts_does_not_leave_it_alone(tmp_path, monkeypatch, number):
    host_folder()  # downloads a host where there is none, which is not what is interrupted here
    started, popen = [], subprocess.Popen

    def interrupted(*_, **__):
        """The signal arrives when the process exists but has not been returned yet."""
        started.append(popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True))
        signal.raise_signal(number)
        return started[0]

    monkeypatch.setattr(server.subprocess, "Popen", interrupted)
    before = signal.signal(number, lambda *_: sys.exit("Stopped."))
    try:
        with pytest.raises(SystemExit, match="Stopped"):
            server.Host(tmp_path).start()
        assert started[0].poll() is not None
    finally:
        signal.signal(number, before)
        started[0].kill()
