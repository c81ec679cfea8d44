"""Rewritten paths: the server gets another path, the journal keeps the browser's."""

from __future__ import annotations

import pytest

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.gateway import Gateway
from unit.support.servers import Upstream, send


def test_server_gets_the_other_path_with_the_same_query(gateway: Gateway, upstream: Upstream) -> None:
    gateway.rewrite("/collect/v2", "/api/records")
    for path in ("/collect/v2", "/collect/v2?x=%41", "/collect/v2/more"):
        send(gateway, f"GET {path} HTTP/1.1")
    assert [received.raw_path for received in upstream.received] == [
        "/api/records",
        "/api/records?x=%41",
        "/collect/v2/more",
    ]
    assert [exchange.path for exchange in gateway.journal][:2] == ["/collect/v2", "/collect/v2?x=%41"]


@pytest.mark.parametrize(("path", "upstream_path"), [("collect", "/api"), ("/collect", "/api?x=1")])
def test_path_with_a_query_is_refused(gateway: Gateway, path: str, upstream_path: str) -> None:
    with pytest.raises(GatewayError, match="both are plain paths"):
        gateway.rewrite(path, upstream_path)
