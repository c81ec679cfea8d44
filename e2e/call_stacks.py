"""Let Playwright read the call stack quickly: under pytest, that is most of what its calls cost."""

from __future__ import annotations

import inspect
import sys
from types import FrameType, SimpleNamespace

from playwright._impl import _connection, _network, _sync_base


def install_quick_stacks() -> None:
    """Give Playwright's modules an `inspect.stack` that looks no file up.

    Playwright reads the stack at every call, for its traces and errors, and uses the frames' names and lines.
    `inspect.stack` asks for every frame whether its file exists, and searches all modules for a file that
    does not, such as that of `python -c`, with which pytest-xdist starts: 2 ms a call under 40 frames.
    """
    quick = SimpleNamespace(**{**vars(inspect), "stack": _read_stack})
    for module in (_connection, _network, _sync_base):
        if hasattr(module, "inspect"):
            setattr(module, "inspect", quick)  # noqa: B010 - the modules have no such attribute for mypy


def _read_stack(context: int = 0) -> list[inspect.FrameInfo]:
    """Return the caller's frames, innermost first, without their lines of code."""
    frames = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        frames.append(inspect.FrameInfo(frame, code.co_filename, frame.f_lineno, code.co_name, None, None))
        frame = frame.f_back
    return frames
