"""Content-Security-Policy: allow what the plugin adds to workers and pages, and nothing else.

A browser tells the app the policy of a violation, so what `connect-src` gets of the plugin can be taken out
again: its order says what was there before. `injected/reports.js` does the same for scripts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from multidict import CIMultiDict

HEADERS = ("Content-Security-Policy", "Content-Security-Policy-Report-Only")

_INLINE_SOURCES = "'self' blob: data:"
_IN_PLACE = ("http", "https", "ws", "wss")
_IN_NEW_DIRECTIVE = ("ws", "wss", "http", "https")
"""The schemes of the control channel, in a directive of the policy and in one that it did not have."""


def _compile(schemes: Sequence[str]) -> re.Pattern[str]:
    """Return what finds a directive with sources added: what precedes it, its name, its own sources."""
    first, *others = schemes
    rest = "".join(rf" {scheme}://\*:\4" for scheme in others)
    added = rf" {first}://\*:(\d+){rest}(?: {_INLINE_SOURCES})?"
    return re.compile(rf"(^|;)(\s*connect-src)((?:\s[^;]*?)?){added}(?=\s*(?:;|$))", re.IGNORECASE)


_CHANGED = _compile(_IN_PLACE)
_NEW = _compile(_IN_NEW_DIRECTIVE)

_CONNECT_SOURCES = ("connect-src", "default-src")
_SCRIPT_SOURCES = ("script-src-elem", "script-src", "default-src")
_WORKER_SOURCES = ("worker-src", "child-src", "script-src", "default-src")
"""The directives of requests, inline scripts and workers, each the fallback of the one before it."""


def allow_control(headers: CIMultiDict[str], port: int) -> None:
    """Add the control channel, on any host at `port`, to the policies of a response."""
    _change(headers, lambda policy: _allow_requests(policy, port))


def allow_inline_workers(headers: CIMultiDict[str], port: int) -> None:
    """Add what an inline worker and its page need of the plugin to the policies of a page."""
    _change(headers, lambda policy: _allow_requests(policy, port, f" {_INLINE_SOURCES}"))


def restore_policy(policy: str) -> str:
    """Return a policy as it was before sources were added to `connect-src`."""
    return _CHANGED.sub(lambda found: found[1] + found[2] + (found[3] or " 'none'"), _NEW.sub("", policy))


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
    return [policy.strip() for line in headers.getall(name, []) for policy in line.split(",")]


def _change(headers: CIMultiDict[str], change: Callable[[str], str]) -> None:
    for name in HEADERS:
        policies = _list_policies(headers, name)
        headers.popall(name, None)
        for policy in policies:
            headers.add(name, change(policy))


def _allow_requests(policy: str, port: int, others: str = "") -> str:
    in_place, in_new = (
        # A source of `http:` stands for `https:` too, but not on a port of its own.
        " ".join(f"{scheme}://*:{port}" for scheme in schemes) + others
        for schemes in (_IN_PLACE, _IN_NEW_DIRECTIVE)
    )
    return _add_sources(policy, _CONNECT_SOURCES, in_place, in_new)


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


def _add_sources(policy: str, fallbacks: Sequence[str], sources: str, in_new: str | None = None) -> str:
    """Add sources to the first of these directives that a policy has.

    For `default-src` that is a new directive at the end, with `in_new` if given.
    """
    directives = policy.split(";")
    names = [directive.split()[0].lower() if directive.strip() else "" for directive in directives]
    name = next((name for name in fallbacks if name in names), None)
    if name is None:
        return policy
    index = names.index(name)
    directive = re.sub(r"^(\s*\S+)\s+'none'\s*$", r"\1", directives[index], flags=re.IGNORECASE)
    if name == "default-src":
        own = directive.split(maxsplit=1)[1:]
        return ";".join([*directives, " ".join([f" {fallbacks[0]}", *own, in_new or sources])])
    return ";".join([*directives[:index], f"{directive} {sources}", *directives[index + 1 :]])
