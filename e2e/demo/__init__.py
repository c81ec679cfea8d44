"""The demonstration: the reference app in three tabs, the inspector, and faults at a click."""
