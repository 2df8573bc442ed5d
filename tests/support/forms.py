"""The two forms of the server: from the sources, and compiled."""

from __future__ import annotations

import pytest

from twisted_redis._compiled import compiled_modules

#: For a test that replaces a constant of a module or a method of an object, which compiled modules do not allow.
from_sources_only = pytest.mark.skipif(bool(compiled_modules()), reason="replaces a part of a compiled module")
