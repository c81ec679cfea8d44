"""Middlewares: allowed hosts, same origin, security headers, the log."""
