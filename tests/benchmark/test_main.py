"""The command line as a whole."""

import re

import pytest

from benchmark.__main__ import COMMANDS, main


def test_an_unknown_command_is_answered_with_the_commands_of_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["runn"])
    assert refused.value.code == 2
    said = capsys.readouterr().err
    assert re.findall(r"'([\w-]+)'", said.partition("choose from")[2]) == [*COMMANDS]
