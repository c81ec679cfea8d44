"""The command: a scenario passes on the reference server, and fails on one that breaks the promise."""

from pathlib import Path

import pytest

from e2e.mutants.model import get_mutant
from e2e.soak.__main__ import main

pytestmark = pytest.mark.timeout(200)


def test_reference_server_keeps_its_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kill", "--kills", "1"]) == 0
    assert "kill " in capsys.readouterr().out


def test_server_that_does_not_watch_its_files_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = get_mutant("server-files-not-watched").write_copy(tmp_path)
    assert main(["database-removed", "--package", str(package)]) == 1
    output = capsys.readouterr().out
    assert "The promise is broken: database-removed." in output
    assert "no acknowledgement 10 s after the database was destroyed" in output
    assert "the store cannot be read" in output


def test_unknown_scenario_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["unknown"])
    assert ended.value.code == 2
    assert "database-removed" in capsys.readouterr().err
