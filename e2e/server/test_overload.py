"""Overload: the server defers batches early while its store is slow, and still serves the configuration.

A lock on the file delays the store, as a slow disk does. The file also covers bodies that never end, because
they take up room that other requests need.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as FutureTimeoutError  # Python 3.10: not the built-in one
from contextlib import ExitStack, suppress

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_accepts_record, expect_each
from e2e.server.driver.http_client import CLOSED, RESPONSE_TIMEOUT_SECONDS, Response
from e2e.server.driver.system import StartServer, encode_batch

MAX_WAITING_RECORDS = 20
BATCH_SIZE = 5
BATCHES = 12
SLOW_STORE_OPTIONS = ["--lock-wait", "60", "--max-waiting-records", str(MAX_WAITING_RECORDS)]
"""A store that waits for a lock longer than the case takes, and few records that may wait for it."""

BODY_TIMEOUT_SECONDS = 0.5
WAIT_TIMEOUT = "0.5"
RECEIVED_BYTES = 65_536
MAX_OPEN_FILES = 128
WAITING_CONNECTIONS = 400
CHECK_EVERY = 40


@case(
    "server/limits/3/2",
    Level.SHOULD,
    "The server abandons a body that does not arrive in time and stores nothing of it.",
    expected="408, or the connection closed, after the body timeout",
    source="RFC 9110 §15.5.9; slow clients must not occupy the server's memory",
)
def test_stalled_body_is_abandoned(start_server: StartServer) -> None:
    server = start_server(arguments=["--body-timeout", str(BODY_TIMEOUT_SECONDS)])
    body = encode_batch(server.new_record(Fate.FORBIDDEN))
    chunked = {"Content-Length": None, "Transfer-Encoding": "chunked", "Connection": None}
    responses = {
        "with a length": server.client.send(server.client.build_head(body=body) + body[:-1]),
        "in chunks": server.client.send(
            server.client.build_head(body=body, headers=chunked), b'5\r\n{"rec\r\n'
        ),
    }
    expect_each("408", responses, lambda response: response.status in (408, CLOSED))
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/3/3",
    Level.SHOULD,
    "The server defers a batch at once while too many records wait, and loses no batch that it admitted.",
    expected="503 with Retry-After while the others still wait; each batch with a success response is stored",
    source="wire additions, 503; an unbounded queue ends in a crash that loses everything in it",
)
def test_batch_is_deferred_while_too_many_records_wait(start_server: StartServer) -> None:
    server = start_server(arguments=SLOW_STORE_OPTIONS)
    batches = [server.new_records(BATCH_SIZE, Fate.OPTIONAL) for _ in range(BATCHES)]
    with ThreadPoolExecutor(BATCHES) as workers:
        with server.process.lock_store():
            posting = [workers.submit(server.post, *batch) for batch in batches]
            # The lock prevents stores: a batch that gets a response now was not admitted.
            early = _get_first_responses(posting, BATCHES - MAX_WAITING_RECORDS // BATCH_SIZE)
        responses = [each.result() for each in posting]
    deferred = [response for response in responses if not response.is_success]
    if len(early) != len(deferred):
        raise FindingError(f"{len(early)} batches deferred, the others accepted", f"{len(deferred)} deferred")
    expect_each(
        "503 with Retry-After",
        {f"batch {number}": response for number, response in enumerate(deferred)},
        lambda response: response.status == 503 and response.headers.get("Retry-After", "").isdigit(),
    )
    for batch, response in zip(batches, responses, strict=True):
        server.set_fate(batch, Fate.STORED if response.is_success else Fate.FORBIDDEN)
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/3/4",
    Level.SHOULD,
    "The server serves the configuration while batches wait for the store.",
    expected="200 for GET while the store is unavailable",
    source="wire protocol, GET: a worker without a configuration drops every event",
)
def test_configuration_is_served_while_batches_wait(start_server: StartServer) -> None:
    server = start_server(arguments=SLOW_STORE_OPTIONS)
    batch = server.new_records(MAX_WAITING_RECORDS)
    with ThreadPoolExecutor(1) as worker:
        with server.process.lock_store():
            posting = worker.submit(server.post, *batch)
            responses = {f"GET {number}": server.get_config() for number in range(BATCHES)}
            is_early = posting.done()
        response = posting.result()
    if is_early or not response.is_success:
        raise FindingError("the batch waits and is then accepted", str(response))
    expect_each("200", responses, lambda response: response.status == 200)
    server.account()


@case(
    "server/limits/3/5",
    Level.SHOULD,
    "The server closes connections that are silent, send a head too slowly, or stay idle after a response.",
    expected="each closed after the timeout of the server",
    source="CWE-400: slow clients must not occupy connections forever",
)
def test_waiting_connections_are_closed(start_server: StartServer) -> None:
    for name, option, sent_part in (
        ("silent", "--head-timeout", 0.0),
        ("half a head", "--head-timeout", 0.5),
        ("idle", "--idle-timeout", 1.0),
    ):
        timeouts = dict.fromkeys(("--head-timeout", "--idle-timeout"), "600") | {option: WAIT_TIMEOUT}
        server = start_server(arguments=[text for pair in timeouts.items() for text in pair])
        get = server.client.build_head("GET", headers={"Connection": None})
        data = get[: int(len(get) * sent_part)]
        with server.client.connect() as connection:
            connection.sendall(data)
            try:
                while connection.recv(RECEIVED_BYTES):
                    pass
            except ConnectionResetError:
                pass
            except TimeoutError:
                raise FindingError("the connection is closed", f"it is open: {name}") from None
        expect_accepts_record(server)
        server.account()


@case(
    "server/limits/3/6",
    Level.SHOULD,
    "More connections than the server can open do not stop other clients, and disable nothing.",
    expected=f"{MAX_OPEN_FILES} files, {WAITING_CONNECTIONS} connections that wait at every stage: GET sends "
    "the configuration, and POST stores",
    source="CWE-400; a server without a file descriptor cannot read its configuration or open its database",
)
def test_many_connections_do_not_stop_others(start_server: StartServer) -> None:
    # Its deadlines, which would make room in time, are not what this case is about.
    deadlines = [text for name in ("head", "body", "idle") for text in (f"--{name}-timeout", "600")]
    server = start_server(max_open_files=MAX_OPEN_FILES, arguments=deadlines)
    body = encode_batch(server.new_record(Fate.FORBIDDEN))
    post = server.client.build_head(body=body, headers={"Connection": None}) + body
    get = server.client.build_head("GET", headers={"Connection": None})
    with ExitStack() as connections:
        for number in range(WAITING_CONNECTIONS):
            connection = connections.enter_context(server.client.connect())
            # A connection that the server has closed for another one may refuse the data.
            with suppress(ConnectionError):
                connection.sendall((b"", post[:20], post[:-1], get)[number % 4])
            if number % CHECK_EVERY == CHECK_EVERY - 1:
                expect_accepts_record(server)
                if server.get_config().get_member("disable_ui_telemetry") is not False:
                    raise FindingError("GET sends the configuration", str(server.get_config()))
    server.account()


def _get_first_responses(posting: list[Future[Response]], count: int) -> list[Response]:
    """Return the first responses. Raise FindingError if fewer arrive in time."""
    responses: list[Response] = []
    try:
        for done in as_completed(posting, RESPONSE_TIMEOUT_SECONDS / 2):
            responses.append(done.result())
            if len(responses) == count:
                break
    except FutureTimeoutError:
        raise FindingError(f"{count} batches deferred at once", f"{len(responses)} responses") from None
    return responses
