"""The engine of the conformance suite; it holds no cases."""
