"""The first signal lets the work save, the second ends it, and a terminal that goes away ends nothing."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from dgkd_cli.progress import BarProgress
from dgkd_cli.signals import StopOnSignals

WORKING = """
import sys, time
from pathlib import Path
from dgkd_cli.app import App
with App(folder=Path("."), quiet=False).working() as (progress, stop):
    print("ready", flush=True)
    for step in range(6000):
        time.sleep(0.01)
        if stop() and {polite}:
            print("saved", flush=True)
            sys.exit(130)
    print("worked to its end", flush=True)
"""


def saved_by(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "saved\n"
    process.stdout.close()
    assert process.wait() == 130


def ready(preexec: Callable[[], object] | None = None, *, polite: bool = True) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKING.format(polite=polite)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=preexec,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_a_signal_within_a_print_shows_no_line_twice() -> None:
    class Interrupted(io.StringIO):
        def write(self, text: str) -> int:
            written = super().write(text)
            if "epoch 7" in text and not stop():
                os.kill(os.getpid(), signal.SIGINT)
            return written

    screen = Interrupted()
    terminal = Console(file=screen, force_terminal=True, width=80, color_system=None)
    with closing(BarProgress(terminal)) as progress, StopOnSignals(say=progress.say) as stop:
        progress.start("train ta1", total=100, unit="samples")
        progress.say("ta1: epoch 7/60, loss 0.0403")
    text = screen.getvalue()
    assert text.count("ta1: epoch 7/60, loss 0.0403") == 1
    assert text.count("stopping as soon as everything is saved") == 1


def test_a_second_hang_up_ends_nothing() -> None:
    process = ready(polite=False)
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() not in (0, None)


def test_a_hang_up_under_nohup_is_ignored() -> None:
    process = ready(lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    saved_by(process)


SAVING = """
import sys, time
from pathlib import Path
from dgkd_cli.app import App
with App(folder=Path("."), quiet=False).working() as (progress, stop):
    progress.start("train x", total=6000, unit="steps")
    progress.say("ready")
    for step in range(6000):
        time.sleep(0.01)
        progress.advance(1)
        if stop():
            time.sleep(0.5)
            progress.say("a line to nobody")
            print("and another", flush=True)
            Path(sys.argv[1]).touch()
            break
"""


def test_a_terminal_that_goes_away_lets_the_work_save(tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", SAVING, str(tmp_path / "saved")])
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (tmp_path / "saved").exists()


def test_handlers_that_ignore_are_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dgkd_cli.app import App

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with App(folder=tmp_path, quiet=True).working():
            pass
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_lets_the_work_save(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKING.format(polite=True)], stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "saved\n"
        assert "stopping as soon as everything is saved" in process.stderr.read()
    assert process.returncode == 130


def test_the_second_signal_ends_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKING.format(polite=False)], stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert "stopping" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.stderr.read()
        assert process.stdout.read() == "", "it did not work to its end"


FORKED = """
import os, signal
from pathlib import Path
from dgkd_cli.app import App
with App(folder=Path("."), quiet=False).working() as (progress, stop):
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        os._exit(7 if stop() else 0)
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_worker_leaves_signals_to_its_parent() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_handlers_of_before_are_back_afterwards(tmp_path: Path) -> None:
    from dgkd_cli.app import App

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with App(folder=tmp_path, quiet=True).working() as (_, stop):
        assert stop() is False
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop() is True
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
