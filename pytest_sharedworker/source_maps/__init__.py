"""Source maps (ECMA-426): where the authors of a bundled script wrote what a browser reports."""
