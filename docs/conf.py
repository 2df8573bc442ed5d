"""How Sphinx makes the pages: python -m sphinx -W -b html docs build/docs"""

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
# What stands in a block without a language is shown as it is.
highlight_language = "none"
nitpicky = True
html_theme = "alabaster"
html_theme_options = {"description": "Redis for Twisted, in Python", "page_width": "1100px", "fixed_sidebar": True}


def setup(app: Any) -> None:
    """Sessions with redis-cli are shown as they are; tests/test_docs.py runs them."""
    app.add_lexer("redis", TextLexer)
