"""HTTP handlers: telemetry, metrics, OpenAPI, static files."""
