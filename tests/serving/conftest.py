"""Shared by the tests of what serves an index."""

from __future__ import annotations

import pytest

from tellapart.cli.app import run


@pytest.fixture
def call_tellapart(capsys):
    """Run a verb in this process: exit code, standard output, standard error."""

    def calling(*arguments):
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return calling
