"""Content-Security-Policy: allow what the plugin adds to workers and pages, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from multidict import CIMultiDict

HEADERS = ("Content-Security-Policy", "Content-Security-Policy-Report-Only")


_CONNECT_SOURCES = ("connect-src", "default-src")
_SCRIPT_SOURCES = ("script-src-elem", "script-src", "default-src")
_WORKER_SOURCES = ("worker-src", "child-src", "script-src", "default-src")
"""The directives of requests, inline scripts and workers, each the fallback of the one before it."""


def allow_control(headers: CIMultiDict[str], port: int) -> None:
    """Add the control channel, on any host at `port`, to the policies of a response."""
    sources = _control_sources(port)
    _change(headers, lambda policy: _add_sources(policy, _CONNECT_SOURCES, sources))


def allow_inline_workers(headers: CIMultiDict[str], port: int) -> None:
    """Add what an inline worker and its page need of the plugin to the policies of a page."""
    sources = f"'self' blob: data: {_control_sources(port)}"
    _change(headers, lambda policy: _add_sources(policy, _CONNECT_SOURCES, sources))


def allow_page_scripts(headers: CIMultiDict[str], hashes: Sequence[str]) -> None:
    """Add inline scripts, by their hashes, to the policies of a page."""

    def allow(policy: str) -> str:
        return (
            policy if _allows_all_scripts(policy) else _add_sources(policy, _SCRIPT_SOURCES, " ".join(hashes))
        )

    _change(headers, allow)


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


def _allows_all_scripts(policy: str) -> bool:
    """Return whether a policy allows every inline script; a hash more would end that."""
    sources = {words[0].lower(): words[1:] for words in map(str.split, reversed(_split(policy)))}
    words = next((sources[name] for name in _SCRIPT_SOURCES if name in sources), ["'unsafe-inline'"])
    lower = [word.lower() for word in words]
    is_strict = any(word.startswith(("'nonce-", "'sha", "'strict-dynamic'")) for word in lower)
    return "'unsafe-inline'" in lower and not is_strict


def _add_sources(policy: str, fallbacks: Sequence[str], sources: str) -> str:
    """Add sources to the first of these directives that a policy has, or, for `default-src`, to a new one."""
    directives = _split(policy)
    names = [directive.split()[0].lower() for directive in directives]
    for name in fallbacks:
        if name in names:
            index = names.index(name)
            own = [word for word in directives[index].split()[1:] if word != "'none'"]
            added = [word for word in sources.split() if word not in own]
            target = fallbacks[0] if name == "default-src" else name
            changed = " ".join([target, *own, *added])
            kept = directives if name == "default-src" else directives[:index]
            return "; ".join([*kept, changed, *directives[len(kept) + 1 :]])
    return "; ".join(directives)
