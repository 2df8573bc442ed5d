"""Writes the table of metrics in docs/metrics.md, from what the metrics page declares: python tools/metrics_table.py"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from twisted_redis.web.metrics import CATALOGUE, Declared  # noqa: E402

PAGE = ROOT / "docs" / "metrics.md"
BEGIN = "<!-- metrics, made by tools/metrics_table.py -->\n"
END = "<!-- end of the metrics -->\n"


def unit(metric: Declared) -> str:
    """Returns the unit of a metric, which its name tells."""
    for word in ("seconds", "bytes"):
        if word in metric.name.split("_"):
            return word
    return ""


def origin(metric: Declared) -> str:
    """Returns the field that the value comes from."""
    return f"`{metric.field}`" if metric.field else ""


def generated() -> str:
    """Returns the table."""
    lines = ["| metric | type | unit | labels | meaning | field of INFO |", "|---|---|---|---|---|---|"]
    for metric in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        text = f"{metric.text} ({metric.when})" if metric.when else metric.text
        cells = (f"`{metric.sample}`", metric.kind, unit(metric), labels, text, origin(metric))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Replaces the table in the page."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + generated() + END + after, "utf-8")


if __name__ == "__main__":
    main()
