"""Opens pages as people do: in a real browser, wide and narrow, and on paper.

PAGE.html... PAPER.pdf. Says "ok" when each page passes axe's rules for WCAG 2.2 AA, fits a telephone, runs no script, asks nobody
for anything, and when the text of the paper can be read.
"""

import sys
from pathlib import Path
from shutil import which

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from pypdf import PdfReader

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# As root, Chromium's own walls cannot be put up; the others keep it from looking for its maker.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
CHROMIUM = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome"))))


def look_at(browser, path):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto(path.resolve().as_uri())
    assert asked == [path.resolve().as_uri()] and not said, (asked, said)
    assert page.locator("script").count() == 0
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        broken = Axe().run(page, options={"runOnly": RULES}).response["violations"]
        assert not broken, [(one["id"], one["nodes"][0]["html"]) for one in broken]
    page.set_viewport_size({"width": 390, "height": 800})
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, f"{path}: {wide} pixels wide on a telephone"
    page.close()


def main(*names):
    pages, papers = [[Path(name) for name in names if name.endswith(end)] for end in (".html", ".pdf")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        for path in pages:
            look_at(browser, path)
        browser.close()
    for path in papers:
        text = " ".join(page.extract_text() for page in PdfReader(path).pages)
        assert "What this page can speak of" in text and "Calls per host per agent" in text, text
    print("ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
