"""Who may use the inspector, as pure rules; test_server.py has them on the wire."""

from __future__ import annotations

import pytest

from pytest_sharedworker.inspector.access import is_command_allowed, is_host_allowed, is_token_valid

HOST = "127.0.0.1:40123"
OWN = {"Content-Type": "application/json", "Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize("host", [HOST, "localhost:40123", "LOCALHOST:40123"])
def test_hosts_of_this_machine_are_allowed(host: str) -> None:
    assert is_host_allowed(host, 40123)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "127.0.0.1",
        "127.0.0.1:40124",
        "rebound.example:40123",
        "127.0.0.1.rebound.example:40123",
        "localhost.:40123",
        f"{HOST},{HOST}",
    ],
)
def test_other_hosts_are_refused(host: str | None) -> None:
    assert not is_host_allowed(host, 40123)


@pytest.mark.parametrize(
    ("given", "is_valid"),
    [
        ("secret", True),
        ("", False),
        ("secre", False),
        ("secrets", False),
        ("\udc80", False),
        ("sécret", False),
    ],
)
def test_token_has_to_be_the_whole_token(given: str, is_valid: bool) -> None:
    assert is_token_valid(given, "secret") is is_valid


def test_commands_of_the_own_page_and_of_programs_are_allowed() -> None:
    assert is_command_allowed(OWN, HOST)
    assert is_command_allowed({"Content-Type": "application/json; charset=utf-8"}, HOST)


@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
    ],
    ids=str,
)
def test_commands_of_other_pages_are_refused(changed: dict[str, str]) -> None:
    assert not is_command_allowed(OWN | changed, HOST)
