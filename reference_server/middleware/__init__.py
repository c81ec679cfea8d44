"""Middlewares: error responses, same origin, allowed hosts, security headers, the HTTP log."""
