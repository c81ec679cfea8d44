"""Toxics: faults between a browser and its server, by the names and attributes of Toxiproxy.

| toxic | what it does | attributes |
|---|---|---|
| Latency | delays | latency, jitter = 0 |
| Timeout | lets nothing through, closes after `timeout` (0: never) | timeout = 0 |
| ResetPeer | resets the connection (TCP RST) after `timeout` | timeout = 0 |
| LimitData | sends `bytes` of the response, then resets | bytes |
| Slicer | sends the response in slices, `delay` apart | average_size, delay = 0 |
| Bandwidth | sends the response at `rate` KiB a second | rate |
| SlowClose | keeps the connection open for `delay` after the response | delay |
| Down | refuses connections to the whole origin | at_worker_start = False |

and two that Toxiproxy, which knows no HTTP, does not have:

| toxic | what it does | attributes |
|---|---|---|
| HttpStatus | responds itself, the server never sees the request | status, body = "", headers = {} |
| DropResponse | lets the server process the request, then resets the connection before the response | |

They apply to the handshake of a WebSocket. On open ones Latency and Bandwidth delay messages,
Timeout drops them, and ResetPeer, Timeout and Down end the connection. `stream="upstream"` applies a Latency,
Timeout or ResetPeer before the server sees the request, `"downstream"` after. Times are milliseconds of the
sender: virtual where its clock is virtual.

To add a toxic, add a file with a frozen dataclass that derives from `Toxic`, import it here, and export it in
`pytest_sharedworker/__init__.py`.
"""

from pytest_sharedworker.gateway.toxics.applied import AppliedToxic, AppliedToxics
from pytest_sharedworker.gateway.toxics.bandwidth import Bandwidth
from pytest_sharedworker.gateway.toxics.base import MessagePlan, SocketEnd, Stream, Toxic
from pytest_sharedworker.gateway.toxics.down import Down
from pytest_sharedworker.gateway.toxics.drop_response import DropResponse
from pytest_sharedworker.gateway.toxics.http_status import HttpStatus
from pytest_sharedworker.gateway.toxics.latency import Latency
from pytest_sharedworker.gateway.toxics.limit_data import LimitData
from pytest_sharedworker.gateway.toxics.reset_peer import ResetPeer
from pytest_sharedworker.gateway.toxics.slicer import Slicer
from pytest_sharedworker.gateway.toxics.slow_close import SlowClose
from pytest_sharedworker.gateway.toxics.timeout import Timeout

__all__ = [
    "AppliedToxic",
    "AppliedToxics",
    "Bandwidth",
    "Down",
    "DropResponse",
    "HttpStatus",
    "Latency",
    "LimitData",
    "MessagePlan",
    "ResetPeer",
    "Slicer",
    "SlowClose",
    "SocketEnd",
    "Stream",
    "Timeout",
    "Toxic",
]
