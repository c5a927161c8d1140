"""``python -m executor.demo``: see `executor.demo.cli`."""

import signal

# While the heavy parts load, Ctrl-C ends the program without a word.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from executor.demo.cli import app  # noqa: E402

app(prog_name="python -m executor.demo")
