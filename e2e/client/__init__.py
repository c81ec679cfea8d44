"""The tests of the reference client in real pages."""
