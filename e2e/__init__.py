"""End-to-end tests: the conformance suite and its cases, mutants, chaos, and the plugin's own tests."""
