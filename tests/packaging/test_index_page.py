"""The links of the package, and the README as a package index shows it."""

from __future__ import annotations

import re
import runpy

import pytest

from tests.packaging.environments import ROOT

TOOL = runpy.run_path(str(ROOT / "tools" / "index_page.py"))
README = (ROOT / "README.md").read_text()
URL = "https://host.example/owner/name"

EXAMPLE = """\
# Name

See [the page](docs/page.md#part), [elsewhere](https://other.example/x) and [below](#below).

![A picture](docs/status.png) ![Another](https://other.example/y.png)

![One](docs/one.svg) ![Two](docs/two.svg)
![Three](docs/three.svg)

[![Badge](docs/badge.svg)](docs/page.md) <img alt="x" src="docs/x.svg" width="9"> `[code](docs/a.md)`

```
[code](docs/b.md)
```
"""


def test_links_lead_to_the_project() -> None:
    assert (
        TOOL["long_description"](EXAMPLE, URL)
        == f"""\
# Name

See [the page]({URL}/blob/HEAD/docs/page.md#part), [elsewhere](https://other.example/x) and [below](#below).

![A picture]({URL}/raw/HEAD/docs/status.png) ![Another](https://other.example/y.png)

![One]({URL}/raw/HEAD/docs/one.svg) ![Two]({URL}/raw/HEAD/docs/two.svg)
![Three]({URL}/raw/HEAD/docs/three.svg)

[![Badge]({URL}/raw/HEAD/docs/badge.svg)]({URL}/blob/HEAD/docs/page.md) \
<img alt="x" src="{URL}/raw/HEAD/docs/x.svg" width="9"> `[code](docs/a.md)`

```
[code](docs/b.md)
```
"""
    )


def test_without_an_address_no_link_leads_nowhere() -> None:
    assert (
        TOOL["long_description"](EXAMPLE, "")
        == """\
# Name

See the page, [elsewhere](https://other.example/x) and [below](#below).

A picture ![Another](https://other.example/y.png)

Badge  `[code](docs/a.md)`

```
[code](docs/b.md)
```
"""
    )


@pytest.mark.parametrize("url", ["", URL])
def test_the_readme(url: str) -> None:
    text = TOOL["long_description"](README, url)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)]+)\)", prose) + re.findall(r"src=\"([^\"]+)\"", prose)
    assert targets
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    shown = {target.partition("HEAD/")[2].partition("#")[0] for target in targets if target.startswith(f"{URL}/")}
    assert bool(shown) == bool(url)
    assert {path for path in shown if not (ROOT / path).exists()} == set()


def test_an_index_renders_the_readme() -> None:
    markdown = pytest.importorskip("readme_renderer.markdown")
    shown = markdown.render(TOOL["long_description"](README, URL))
    assert shown is not None
    pictures = re.findall(r"<img[^>]*>", shown)
    assert pictures
    assert all(' src="https://' in picture for picture in pictures)


def test_the_links_of_the_metadata() -> None:
    assert TOOL["project_urls"]("") == {}
    links = TOOL["project_urls"](URL)
    assert set(links) == {"Documentation", "Source", "Changelog", "Issues"}
    for link in links.values():
        assert link.startswith(URL)
        path = link.partition("/blob/HEAD/")[2]
        assert not path or (ROOT / path).is_file()


def test_the_address_of_a_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWISTED_REDIS_URL", URL + "/")
    assert TOOL["address"]() == URL
    monkeypatch.delenv("TWISTED_REDIS_URL")
    assert TOOL["address"]() == TOOL["URL"]
