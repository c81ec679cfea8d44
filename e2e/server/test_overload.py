"""More than a server can store for now: it says so early, and goes on telling workers their configuration.

The store is kept waiting by a lock on its file, as a slow disk would. Bodies that never come to their end are
here too: they keep room from others.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as NotInTime  # Python 3.10 does not know it by the other name.

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.conftest import StartServer
from e2e.server.driver.http_client import ANSWER_TIMEOUT_SECONDS, CLOSED, Response
from e2e.server.driver.system import body_of, expect_all

MOST_RECORDS = 20
BATCH_SIZE = 5
BATCHES = 12
PATIENT = ["--lock-wait", "60", "--max-waiting-records", str(MOST_RECORDS)]
"""A server whose store waits for longer than the case takes, and before which few records may wait."""

BODY_TIMEOUT_SECONDS = 0.5


@case(
    "server/limits/3/2",
    Level.SHOULD,
    "A body that does not come to its end is given up, and nothing of it is stored.",
    expected="408, or the connection closed, after the time that a body may take",
    source="RFC 9110 §15.5.9; slow clients must not keep a server's memory",
)
def test_a_body_that_does_not_come_is_given_up(start_server: StartServer) -> None:
    server = start_server(arguments=["--body-timeout", str(BODY_TIMEOUT_SECONDS)])
    body = body_of(server.record(Fate.DROPPED))
    chunked = {"Content-Length": None, "Transfer-Encoding": "chunked", "Connection": None}
    answers = {
        "with a length": server.client.send(server.client.head(body=body) + body[:-1]),
        "in chunks": server.client.send(server.client.head(body=body, headers=chunked), b'5\r\n{"rec\r\n'),
    }
    expect_all("408", answers, lambda answer: answer.status in (408, CLOSED))
    server.still_works()
    server.account()


@case(
    "server/limits/3/3",
    Level.SHOULD,
    "A batch that finds too much waiting is put off at once, and none that was let in is lost.",
    expected="503 with Retry-After while the others still wait; each batch answered with success is stored",
    source="wire additions, 503; a queue without a bound ends in a crash that loses all of it",
)
def test_a_batch_that_finds_too_much_waiting_is_put_off(start_server: StartServer) -> None:
    server = start_server(arguments=PATIENT)
    batches = [server.records(BATCH_SIZE, Fate.OPTIONAL) for _ in range(BATCHES)]
    with ThreadPoolExecutor(BATCHES) as workers:
        with server.process.locked():
            posting = [workers.submit(server.post, *batch) for batch in batches]
            # None is stored while the lock is held: what is answered now was not let in.
            early = _answers_of_first(posting, BATCHES - MOST_RECORDS // BATCH_SIZE)
        answers = [each.result() for each in posting]
    put_off = [answer for answer in answers if not answer.succeeded]
    if len(early) != len(put_off):
        raise FindingError(f"{len(early)} batches put off, the others taken", f"{len(put_off)} put off")
    expect_all(
        "503 with Retry-After",
        {f"batch {number}": answer for number, answer in enumerate(put_off)},
        lambda answer: answer.status == 503 and answer.headers.get("Retry-After", "").isdigit(),
    )
    for batch, answer in zip(batches, answers, strict=True):
        server.decide(batch, Fate.STORED if answer.succeeded else Fate.DROPPED)
    server.still_works()
    server.account()


@case(
    "server/limits/3/4",
    Level.SHOULD,
    "Workers are told their configuration while batches wait for the store.",
    expected="200 for GET while the store is out of reach",
    source="wire protocol, GET: a worker without it drops every event",
)
def test_the_configuration_is_told_while_batches_wait(start_server: StartServer) -> None:
    server = start_server(arguments=PATIENT)
    batch = server.records(MOST_RECORDS)
    with ThreadPoolExecutor(1) as worker:
        with server.process.locked():
            posting = worker.submit(server.post, *batch)
            answers = {f"GET {number}": server.get_config() for number in range(BATCHES)}
            answered = posting.done()
        taken = posting.result()
    if answered or not taken.succeeded:
        raise FindingError("the batch waits, and is taken then", str(taken))
    expect_all("200", answers, lambda answer: answer.status == 200)
    server.account()


def _answers_of_first(posting: list[Future[Response]], count: int) -> list[Response]:
    """The answers that come first. Raises FindingError where there are fewer in time."""
    answers: list[Response] = []
    try:
        for done in as_completed(posting, ANSWER_TIMEOUT_SECONDS / 2):
            answers.append(done.result())
            if len(answers) == count:
                break
    except NotInTime:
        raise FindingError(f"{count} batches put off at once", f"{len(answers)} answered") from None
    return answers
