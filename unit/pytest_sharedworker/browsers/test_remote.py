"""Where the gateway's proxy listens, for browsers on this machine and on another one."""

from __future__ import annotations

import socket

import pytest

from pytest_sharedworker import Gateway
from pytest_sharedworker.browsers.remote import ProxyAddress, find_proxy_address
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.integration.event_loop_thread import LoopThread

pytest_plugins = ["pytester"]

ENDPOINT = "ws://browsers.example:3000/"


def answer(address: str) -> list[tuple[object, ...]]:
    """Return what a resolver says of a host with one IPv4 address."""
    return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (address, 3000))]


def test_browsers_here_use_the_loopback_address() -> None:
    assert find_proxy_address(None, None) == ProxyAddress("127.0.0.1")


def test_browsers_elsewhere_use_the_address_that_connects_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    find_proxy_address.cache_clear()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer("127.0.0.1"))
    assert find_proxy_address(None, ENDPOINT) == ProxyAddress("127.0.0.1", frozenset({"127.0.0.1"}))
    find_proxy_address.cache_clear()


def test_only_the_browsers_machine_may_use_the_proxy() -> None:
    address = ProxyAddress("192.0.2.1", frozenset({"192.0.2.1", "192.0.2.2"}))
    assert address.accepts("192.0.2.2")
    assert not address.accepts("192.0.2.3")


def test_endpoint_without_an_address_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror("no such host")

    find_proxy_address.cache_clear()
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert find_proxy_address(None, ENDPOINT) == ProxyAddress("127.0.0.1")
    find_proxy_address.cache_clear()


def test_given_host_precedes_the_endpoint() -> None:
    assert find_proxy_address("tests.example", ENDPOINT) == ProxyAddress("tests.example")


def test_ipv6_address_has_brackets_in_a_url() -> None:
    assert ProxyAddress("fd00::2").url_host == "[fd00::2]"


def test_connection_of_another_machine_is_closed(
    sharedworker_loop: LoopThread, sharedworker_control: ControlServer
) -> None:
    address = ProxyAddress("127.0.0.1", frozenset({"192.0.2.2"}))
    gateway = Gateway(sharedworker_loop, sharedworker_control, proxy_address=address)
    gateway._start()
    try:
        port = int(gateway.context_options["proxy"]["server"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"CONNECT app.example.test:443 HTTP/1.1\r\n\r\n")
            try:
                received = connection.recv(100)
            except ConnectionResetError:
                received = b""
        assert received == b""
    finally:
        gateway._stop()


@pytest.mark.parametrize(
    ("host", "problem"),
    [("0.0.0.0", "no machine"), ("::", "no machine"), ("203.0.113.9", "does not have it")],
)
def test_host_of_another_machine_is_a_usage_error(pytester: pytest.Pytester, host: str, problem: str) -> None:
    result = pytester.runpytest_subprocess("--gateway-proxy-host", host, timeout=60)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--gateway-proxy-host {host}: *{problem}*browsers reach it*"])
