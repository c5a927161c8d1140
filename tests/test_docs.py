"""The site builds without a warning, leads to every page and module, and loads nothing from elsewhere."""

from __future__ import annotations

import functools
import http.server
import importlib
import pkgutil
import threading

import pytest
from playwright.sync_api import sync_playwright

import driftlead
from docs.generator import nav
from docs.generator.build import DOCS, ROOT, build
from docs.generator.links import complaints
from docs.generator.repository import led_to_pages
from tests.programs import require_program

MODULES = [
    module.name
    for module in pkgutil.walk_packages(driftlead.__path__, "driftlead.")
    if not any(part.startswith("_") for part in module.name.split("."))
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build(tmp_path_factory.mktemp("docs"), execute=False)


def test_every_public_module_has_a_page_that_the_navigation_leads_to(site):
    config = (site.parent / "zensical.toml").read_text()
    listed = set(nav.pages_of(nav.nav_of(config)))
    for name in MODULES:
        path = "reference/python/" + "/".join(name.split(".")[1:])
        is_package = hasattr(importlib.import_module(name), "__path__")
        assert f"{path}/index.md" in listed if is_package else f"{path}.md" in listed, name
        assert f'id="{name}"' in (site / path / "index.html").read_text(), name


def test_every_page_and_notebook_is_in_the_navigation(site):
    listed = set(nav.pages_of(nav.nav_of((site.parent / "zensical.toml").read_text())))
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    notebooks = {f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert written | notebooks <= listed


def test_a_page_that_no_one_listed_is_noticed(tmp_path):
    for page in ("a.md", "b/index.md", "b/c.md", "d.md"):
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).write_text("# Page\n")
    titles = {path.relative_to(tmp_path).as_posix(): "Page" for path in tmp_path.rglob("*.md")}
    entries = nav.opened([{"A": "a.md"}, {"B": [{"Inside": "b/"}]}], titles)
    assert nav.left_out(entries, tmp_path) == ["d.md"]
    with pytest.raises(SystemExit, match=r"nav names e\.md, which does not exist"):
        nav.opened([{"E": "e.md"}], titles)


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ('<a href="gone/">', "links to gone/, which does not exist"),
        ('<a href="b.html#gone">', "links to b.html#gone, a page without that anchor"),
        ('<script src="https://example.com/a.js">', "loads https://example.com/a.js"),
        ('<img src="../outside.png">', "links to ../outside.png, which does not exist"),
    ],
)
def test_a_broken_link_and_a_foreign_file_are_noticed(tmp_path, page, complaint):
    (tmp_path / "outside.png").touch()
    site = tmp_path / "site"
    site.mkdir()
    (site / "b.html").write_text('<h1 id="here">')
    (site / "a.html").write_text(page + '<a href="b.html#here"><a href="https://example.com">')
    assert complaints(site) == [f"a.html {complaint}"]


def test_links_out_of_the_docs_lead_to_what_was_made_of_the_file():
    text = "[hooks](../../src/driftlead/activations#layers) [image](../../ops/Dockerfile) [here](../page.md)"
    made = {"src/driftlead/activations": "reference/python/activations.md", "docs/page.md": "page.md"}
    led = led_to_pages(text, "docs/runbooks/a.md", "runbooks/a.md", made)
    assert led == "[hooks](../reference/python/activations.md#layers) image [here](../page.md)"
    led = led_to_pages("[there](../docs/page.md#a)", "notebooks/a.ipynb", "notebooks/a.md", made)
    assert led == "[there](../page.md#a)"


def test_a_browser_asks_no_one_else_and_finds_what_is_searched_for(site):
    asked: list[str] = []
    handler = functools.partial(_Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    try:
        with sync_playwright() as playwright:
            chromium = require_program("chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.on("request", lambda request: asked.append(request.url))
            for path in ("", "reference/python/detectors/", "calibration/"):
                page.goto(address + path)
                page.wait_for_load_state("networkidle")
            page.keyboard.press("/")
            page.get_by_role("listbox").wait_for(state="attached")
            page.keyboard.type("IncrementalKS")
            page.get_by_role("option", name="IncrementalKS").first.wait_for()
            browser.close()
    finally:
        server.shutdown()
        server.server_close()
    assert len(asked) > 3
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass
