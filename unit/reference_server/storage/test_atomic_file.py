"""Files that appear complete or not at all."""

import os
from pathlib import Path

import pytest

from reference_server.storage.atomic_file import replace_file


def test_interrupt_right_after_the_file_is_created_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python runs a signal's handler between any two steps, such as the open and the close of a file."""
    close = os.close

    def interrupt(descriptor: int) -> None:
        close(descriptor)
        assert os.listdir(tmp_path)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "close", interrupt)
    with pytest.raises(KeyboardInterrupt), replace_file(tmp_path / "backup.db"):
        raise AssertionError
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []
