"""Tests of the report's page in browsers, as a person uses it."""
