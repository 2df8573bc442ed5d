"""RESP without I/O: parsers of requests and the encoder of replies."""
