"""The parts of `tests/conformance/run`: source, overlay, run of a unit, tables, command line."""
