"""Lines of text: on a terminal no word is cut and no command broken, elsewhere a line stays one line."""

from __future__ import annotations

import io

import pytest
from click.testing import CliRunner

from dgkd_cli.lines import fitted, paragraph, say, show
from dgkd_cli.main import main


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


ERROR = (
    "Error: the run teacher is stale: expected training.lr 0.1, found 0.05; "
    "`dgkd-cache -w some/folder run --remake` sets it aside and makes it again"
)


def test_a_paragraph_breaks_between_words() -> None:
    text = "teacher: stale: training.lr was 0.1, is 0.05; " + "x" * 40
    assert paragraph(text, 30) == "teacher: stale: training.lr\n  was 0.1, is 0.05;\n  " + "x" * 40
    assert paragraph(text, 30).split() == text.split()


def test_a_command_in_backticks_stays_on_one_line() -> None:
    assert fitted(ERROR, Terminal()).splitlines() == [
        "Error: the run teacher is stale: expected training.lr 0.1, found 0.05;",
        "  `dgkd-cache -w some/folder run --remake` sets it aside and makes it again",
    ]


def test_lines_are_whole_where_there_is_no_terminal() -> None:
    assert fitted(ERROR, io.StringIO()) == fitted(ERROR, None) == ERROR


def test_later_lines_are_indented_more_than_the_first() -> None:
    lines = fitted("    logits/c/0: rows" + " and more" * 12, Terminal()).splitlines()
    assert [len(line) - len(line.lstrip()) for line in lines] == [4, 6]


def test_what_stands_before_a_line_takes_room() -> None:
    line = "word " * 14 + "sevenle"
    assert fitted(line, Terminal()) == line
    assert fitted(line, Terminal(), lead="Error: ") == ("word " * 14).rstrip() + "\n  sevenle"


def test_results_go_to_stdout_and_messages_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show("a result " * 20)
    say("a message " * 20)
    assert capsys.readouterr() == ("a result " * 20 + "\n", "a message " * 20 + "\n")


def test_the_message_of_a_usage_error_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = CliRunner().invoke(main, ["ls", "--sort", "nothing"]).stderr.splitlines()[-1]
    assert len(whole) > 160
    monkeypatch.setattr("dgkd_cli.main.fitted", lambda line, stream, lead: fitted(line, Terminal(), lead=lead))
    result = CliRunner().invoke(main, ["ls", "--sort", "nothing"])
    lines = result.stderr[result.stderr.index("Error: ") :].splitlines()
    assert result.exit_code == 2
    assert max(map(len, lines)) <= 80
    assert " ".join(lines).split() == whole.split()
