"""Content-Security-Policy: let a worker with a prologue reach the control channel, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from multidict import CIMultiDict

HEADERS = ("Content-Security-Policy", "Content-Security-Policy-Report-Only")


_WORKER_SOURCES = ("worker-src", "child-src", "script-src", "default-src")
"""The directives of workers, each the fallback of the one before it."""


def allow_control(headers: CIMultiDict[str], port: int) -> None:
    """Add the control channel, on any host at `port`, to the policies of a response."""
    _change(headers, lambda policy: _add_sources(policy, _control_sources(port)))


def allow_inline_workers(headers: CIMultiDict[str], port: int) -> None:
    """Add what an inline worker and its page need of the plugin to the policies of a page."""
    sources = f"'self' blob: data: {_control_sources(port)}"
    _change(headers, lambda policy: _add_sources(policy, sources))


def allows_inline_workers(headers: CIMultiDict[str]) -> bool:
    """Return whether all policies of a response allow workers of blob: or data: URLs."""
    return all(map(_allows_inline, _list_policies(headers, "Content-Security-Policy")))


def _list_policies(headers: CIMultiDict[str], name: str) -> list[str]:
    # Several headers, or one with commas, are as many policies, and all of them count.
    return [policy for line in headers.getall(name, []) for policy in line.split(",")]


def _change(headers: CIMultiDict[str], change: Callable[[str], str]) -> None:
    for name in HEADERS:
        policies = _list_policies(headers, name)
        headers.popall(name, None)
        for policy in policies:
            headers.add(name, change(policy))


def _control_sources(port: int) -> str:
    # A source of `http:` stands for `https:` too, but not on a port of its own.
    return " ".join(f"{scheme}://*:{port}" for scheme in ("http", "https", "ws", "wss"))


def _split(policy: str) -> list[str]:
    return [directive.strip() for directive in policy.split(";") if directive.strip()]


def _allows_inline(policy: str) -> bool:
    sources = {words[0].lower(): words[1:] for words in map(str.split, reversed(_split(policy)))}
    for name in _WORKER_SOURCES:
        if name in sources:
            return bool({"blob:", "data:"} & {word.lower() for word in sources[name]})
    return True


def _add_sources(policy: str, sources: str) -> str:
    directives = _split(policy)
    names = [directive.split()[0].lower() for directive in directives]
    for name in ("connect-src", "default-src"):
        if name in names:
            index = names.index(name)
            own = [word for word in directives[index].split()[1:] if word != "'none'"]
            added = [word for word in sources.split() if word not in own]
            changed = " ".join(["connect-src", *own, *added])
            kept = directives if name == "default-src" else directives[:index]
            return "; ".join([*kept, changed, *directives[len(kept) + 1 :]])
    return "; ".join(directives)
