"""Creates the badges of the README: docs/badges/NAME.svg, from the facts in setup.py and in the package.

Usage: python tools/badges.py. A test checks that the files are up to date.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "badges"
#: Estimated widths of a character (px) at 11 px; the picture stretches its text to them.
NARROW, WIDE, USUAL = 3.6, 9.4, 6.4
BLUE, GREEN, RED = "#2f6f9f", "#3c7d4a", "#a3352c"


def facts() -> dict[str, tuple[str, str, str]]:
    """Returns the label, the text and the colour of each badge."""
    setup = (ROOT / "setup.py").read_text("utf-8")
    versions = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', setup)
    systems = {"POSIX :: Linux": "Linux", "MacOS": "macOS", "POSIX :: BSD": "BSD"}
    supported = [name for text, name in systems.items() if f'"Operating System :: {text}"' in setup]
    licence = re.search(r'license="(.+?)"', setup)
    redis = re.search(
        r'^REDIS_VERSION\b.* = "(.+)"$', (ROOT / "twisted_redis/config/errors.py").read_text("utf-8"), re.M
    )
    assert versions and licence and redis and '"Typing :: Typed"' in setup
    pypy = ", PyPy" if ":: Implementation :: PyPy" in setup else ""
    return {
        "redis": ("Redis", redis[1], RED),
        "python": ("Python", f"{versions[0]}–{versions[-1]}{pypy}", BLUE),
        "systems": ("systems", ", ".join(supported), BLUE),
        "typed": ("typed", "mypy --strict", GREEN),
        "licence": ("licence", licence[1], GREEN),
    }


def width(text: str) -> float:
    """Returns the estimated width of a text (px)."""
    return sum(NARROW if letter in "il.,:;|-tfj1I " else WIDE if letter in "mwMW" else USUAL for letter in text)


def badge(label: str, text: str, colour: str) -> str:
    """Returns a badge as SVG."""
    left, right = width(label) + 14, width(text) + 14
    whole = f"{left + right:.0f}"
    name = escape(f"{label}: {text}")

    def part(shown: str, start: float, size: float) -> str:
        middle = f'x="{start + size / 2:.1f}" y="14" textLength="{size - 14:.1f}"'
        return f"<text {middle}>{escape(shown)}</text>"

    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" aria-label="{name}">'
        f'<title>{name}</title><clipPath id="r"><rect width="{whole}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left:.1f}" height="20" fill="#4b4f58"/>'
        f'<rect x="{left:.1f}" width="{right:.1f}" height="20" fill="{colour}"/></g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{part(label, 0, left)}{part(text, left, right)}</g></svg>\n"
    )


def badges() -> dict[str, str]:
    """Returns the content of each file by its name."""
    return {f"{name}.svg": badge(*fact) for name, fact in facts().items()}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, content in badges().items():
        (FOLDER / name).write_text(content, "utf-8")


if __name__ == "__main__":
    main()
