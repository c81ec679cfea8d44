"""The base of all toxics, and the hooks that the pipeline calls."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from random import Random
from typing import Any, ClassVar, Literal

from pytest_sharedworker.errors import ToxicError
from pytest_sharedworker.gateway.exchange_control import ExchangeControl
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.transfer import Transfer

Stream = Literal["upstream", "downstream"]


@dataclass
class MessagePlan:
    """What happens to one message of an open WebSocket; toxics change it."""

    size: int
    """In bytes."""
    direction: Stream
    """"upstream": from the browser to the server."""
    delay: float = 0.0
    """In ms; those of several messages pass at the same time."""
    sending_time: float = 0.0
    """In ms; the next message begins afterwards."""
    is_dropped: bool = False
    passed: int = 0
    """How many bytes the WebSocket has passed on in the toxic's direction since the toxic hit it."""
    ends_connection: bool = False
    """Whether the connection is reset in place of this message, behind those before it."""


@dataclass(frozen=True)
class SocketEnd:
    """How a toxic ends an open WebSocket, and how many ms after it was added."""

    delay: float
    how: Literal["reset", "closed"]


@dataclass(frozen=True)
class Toxic:
    """A fault between a browser and its server, and its attributes.

    A toxic is a frozen dataclass in a file of its own. It overrides the hooks that it needs, and checks its
    attributes in `__post_init__`. All times are milliseconds of the sender: virtual where its clock is
    virtual.
    """

    name: ClassVar[str]
    """The class's name in snake case."""
    streams: ClassVar[tuple[Stream, ...]] = ("downstream",)
    """Where it can act, the default first: upstream before the server sees the request, downstream after."""
    needs_whole_response: ClassVar[bool] = False
    """Whether it acts on a response that the server has sent to its end, for the journal to hold it."""
    acts_on_sockets: ClassVar[bool] = False
    """Whether it also acts on WebSockets that are open, on their messages or their connection."""
    kinds: ClassVar[dict[str, type[Toxic]]] = {}
    """All toxics by name."""

    def __init_subclass__(cls) -> None:
        cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        Toxic.kinds[cls.name] = cls

    async def apply(self, control: ExchangeControl, random: Random) -> RawResponse | None:
        """Delay or end the exchange on the toxic's stream; a returned response is sent instead."""
        return None

    def shape(self, transfer: Transfer) -> None:
        """Change how the response's body is sent."""

    def shape_message(self, plan: MessagePlan, stream: Stream, random: Random) -> None:
        """Delay or drop a message of an open WebSocket; `stream` is where this toxic was put."""

    def get_socket_end(self) -> SocketEnd | None:
        """Return how this toxic ends WebSockets that are open when it is added, None: it does not."""
        return None

    def get_close_delay(self) -> float:
        """Return how many ms later an open WebSocket closes than one of its sides has closed it."""
        return 0.0

    def refuses_connections(self, *, worker_started: bool) -> bool:
        """Return whether the origin refuses connections; `worker_started`: since the toxic was added."""
        return False

    def require_number(
        self, attribute: str, at_least: float, at_most: float = math.inf, *, whole: bool = False
    ) -> None:
        """Raise ToxicError unless the attribute is a finite number between these bounds."""
        value = getattr(self, attribute)
        kinds = (int,) if whole else (int, float)
        is_number = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not at_least <= value <= at_most:
            number = "a whole number" if whole else "a number"
            bounds = (
                f"of at least {at_least:g}" if math.isinf(at_most) else f"from {at_least:g} to {at_most:g}"
            )
            raise ToxicError(f"the toxic {self.name!r} needs {number} {bounds} as {attribute}, not {value!r}")

    def __str__(self) -> str:
        shown = [
            f" {field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != _get_default(field)
        ]
        return self.name + "".join(shown)


def _get_default(field: Any) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def check_headers(toxic: Toxic, headers: object) -> None:
    """Raise ToxicError unless headers are a mapping of text to text."""
    texts = [*headers.keys(), *headers.values()] if isinstance(headers, Mapping) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise ToxicError(
            f"the toxic {toxic.name!r} needs a mapping of text to text as headers, not {headers!r}"
        )
