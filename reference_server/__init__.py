"""The reference server of UI telemetry: configuration, ingest, storage.

It knows nothing of browsers or tests. `ReferenceServer` runs it inside a program,
`python -m reference_server` runs it on its own.
"""

from reference_server.batch import SessionReport
from reference_server.errors import StoreUnavailable
from reference_server.records import Record
from reference_server.server import ReferenceServer
from reference_server.store import SqliteStore, Store
from reference_server.summary import Losses

__all__ = ["Losses", "Record", "ReferenceServer", "SessionReport", "SqliteStore", "Store", "StoreUnavailable"]
