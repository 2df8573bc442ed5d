"""The configuration of Sphinx: python -m sphinx -W -b html docs build/docs"""

import re
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer

project = "twisted_redis"
author = "The twisted_redis authors"
_found = re.search(
    r'^__version__ = "(.+)"$', (Path(__file__).parent.parent / "twisted_redis" / "__init__.py").read_text("utf-8"), re.M
)
assert _found
release = version = _found[1]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
# Blocks without a language are shown without highlighting.
highlight_language = "none"
nitpicky = True
html_theme = "alabaster"
html_theme_options = {"description": "Redis as a Python library", "page_width": "1100px", "fixed_sidebar": True}


def setup(app: Any) -> None:
    """Shows redis-cli sessions and diagrams without highlighting. tests/test_docs.py runs the sessions."""
    app.add_lexer("redis", TextLexer)
    app.add_lexer("mermaid", TextLexer)
