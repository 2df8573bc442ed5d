"""Framing and encoding of RESP, without any I/O."""
