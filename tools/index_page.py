"""The page of the project at a package index: its links, and the README as an index shows it.

An index knows nothing but the text of the README.  A relative link or image leads nowhere there, and images within the
text are removed.  So both need the address of the project.
"""

from __future__ import annotations

import os
import re

#: The address of the project at its host, such as https://HOST/OWNER/NAME.  The project has none yet.  Everything that
#: needs an address takes it from here; the variable TWISTED_REDIS_URL replaces it for one build.
URL = ""

#: The paths below that address where GitHub, GitLab and similar hosts show a file, and where they send it as it is.
_SHOWN = "blob/HEAD"
_SENT = "raw/HEAD"

_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\(([^)\s]+)\)")
_TAG = re.compile(r"<img\b[^>]*?\bsrc=\"([^\"]+)\"[^>]*>")
#: Lines that consist of relative images, with the empty line behind them.
_PICTURES = re.compile(r"(?:^(?:!\[[^\]]*\]\((?![a-z][a-z0-9+.-]*:)[^)\s]+\)[ \t]*)+\n)+\n?", re.M)
_CODE = re.compile(r"(^```.*?^```\n?|`[^`\n]+`)", re.M | re.S)


def address() -> str:
    """Returns the address of the project without a slash at its end; empty if it has none."""
    return os.environ.get("TWISTED_REDIS_URL", URL).rstrip("/")


def project_urls(url: str) -> dict[str, str]:
    """Returns the links for the metadata of the package, by their labels; none if ``url`` is empty."""
    if not url:
        return {}
    return {
        "Documentation": f"{url}/{_SHOWN}/docs/index.md",
        "Source": url,
        "Changelog": f"{url}/{_SHOWN}/CHANGELOG.md",
        "Issues": f"{url}/issues",
    }


def long_description(readme: str, url: str) -> str:
    """Returns the README with links and images that lead to the project at ``url``.

    If ``url`` is empty, the texts of relative links stay, and lines that consist of relative images go.
    """
    # The parts at odd places are code.
    parts = _CODE.split(readme)
    parts[::2] = [_rewritten(part, url) for part in parts[::2]]
    return "".join(parts)


def _rewritten(text: str, url: str) -> str:
    def image(found: re.Match[str]) -> str:
        alternative, target = found.groups()
        if not _is_relative(target):
            return found[0]
        return f"![{alternative}]({url}/{_SENT}/{target})" if url else alternative

    def tag(found: re.Match[str]) -> str:
        target = found[1]
        if not _is_relative(target):
            return found[0]
        return found[0].replace(f'"{target}"', f'"{url}/{_SENT}/{target}"') if url else ""

    def link(found: re.Match[str]) -> str:
        shown, target = found.groups()
        if not _is_relative(target):
            return found[0]
        return f"[{shown}]({url}/{_SHOWN}/{target})" if url else shown

    if not url:
        text = _PICTURES.sub("", text)
    return _LINK.sub(link, _TAG.sub(tag, _IMAGE.sub(image, text)))


def _is_relative(target: str) -> bool:
    return not target.startswith("#") and re.match(r"[a-z][a-z0-9+.-]*:", target) is None
