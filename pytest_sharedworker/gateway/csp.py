"""Content-Security-Policy: let a worker with a prologue reach the control channel, and nothing else."""

from __future__ import annotations

from multidict import CIMultiDict

HEADERS = ("Content-Security-Policy", "Content-Security-Policy-Report-Only")


def allow_control(headers: CIMultiDict[str], port: int) -> None:
    """Add the control channel, on any host at `port`, to the policies of a response."""
    # Several headers, or one with commas, are as many policies, and all of them count.
    for name in HEADERS:
        lines = headers.popall(name, [])
        for policy in (policy for line in lines for policy in line.split(",")):
            headers.add(name, _add_control(policy, port))


def _add_control(policy: str, port: int) -> str:
    directives = [directive.strip() for directive in policy.split(";") if directive.strip()]
    names = [directive.split()[0].lower() for directive in directives]
    sources = f"http://*:{port} ws://*:{port}"
    if "connect-src" in names:
        index = names.index("connect-src")
        words = [word for word in directives[index].split()[1:] if word != "'none'"]
        directives[index] = " ".join(["connect-src", *words, sources])
    elif "default-src" in names:
        words = [word for word in directives[names.index("default-src")].split()[1:] if word != "'none'"]
        directives.append(" ".join(["connect-src", *words, sources]))
    return "; ".join(directives)
