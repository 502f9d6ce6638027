"""The page in a real browser: Debian's Chromium, driven headless. Screenshots go to TELLAPART_SCREENSHOTS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tellapart import Index

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
)
PATIENCE = 60_000
COLOURS_OF = """canvas => {
  const copy = document.createElement('canvas');
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const drawn = copy.getContext('2d');
  drawn.drawImage(canvas, 0, 0);
  return new Set(new Uint32Array(drawn.getImageData(0, 0, copy.width, copy.height).data.buffer)).size;
}"""
TEXTS = {
    "garden/roses.md": "# Roses\n\nRoses are cut back in March, above an outward bud.\n\nThey need six hours of sun.\n",
    "garden/pruning.md": "# Pruning\n\nPrune roses and vines while they sleep.\n\nUse sharp shears.\n",
    "house/heating.md": "# Heating\n\nThe boiler is serviced every October.\n\nBleed the radiators first.\n",
    "house/water.md": "# Water\n\nThe main valve is under the stairs.\n\nTurn it clockwise to close it.\n",
    "src/client.py": 'import time\n\n\ndef retry(call, times=3):\n    """Call again after a failure."""\n'
    "    for attempt in range(times):\n        try:\n            return call()\n        except OSError:\n"
    "            time.sleep(2**attempt)  # back off\n",
    "src/valve.ts": "export function openValve(name: string): number {\n  // turns\n  return name.length * 2;\n}\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    for name, text in TEXTS.items():
        (folder / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "texts" / name).write_text(text)
    for number in range(60):
        topic = ("frost on the beds", "a leak in the roof", "retries of the client")[number % 3]
        (folder / "texts" / f"notes-{number}.md").write_text(
            f"# Note {number}\n\nA note on {topic}, number {number}.\n"
        )
    Index.build([folder / "texts"], folder / "my.idx", encoders=("lsa",)).close()
    gallery = _gallery(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "tellapart",
        "serve",
        "--index",
        str(folder / "my.idx"),
        "--port",
        str(port),
    ]
    environment = {**os.environ, "TELLAPART_CACHE": str(folder / "cache")}
    process = subprocess.Popen([*command, "--gallery", str(gallery)], env=environment)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        with suppress(OSError):
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
            break
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait()


def _gallery(folder):
    from tellapart import Gallery

    gallery = Gallery.open(folder / "authors.gal", encoder="minilm")
    gallery.enrol("gardener", ["Roses are cut back in March.", "Vines are pruned while they sleep."])
    gallery.enrol("plumber", ["The main valve is under the stairs.", "Turn it clockwise to close the water."])
    gallery.close()
    return folder / "authors.gal"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="pip install playwright drives the browser"
    )
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser, server):
    """Open the page; at the end nothing may stand on the console, and nothing may have been asked elsewhere."""
    opened, said, asked = [], [], []

    def opening(address="", *, width=1280, height=900, dark=False):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on(
            "console",
            lambda message: said.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{server}/{address}")
        opened.append(context)
        return page

    opening.said = said
    yield opening
    for context in opened:
        context.close()
    quiet = [each for each in said if "GPU stall" not in each and "GL Driver Message" not in each]
    assert quiet == []
    assert [url for url in asked if not url.startswith((server, "blob:", "data:"))] == []


def until(true):
    """Wait in this process: the page forbids itself what the driver's own waiting would evaluate there."""
    for _ in range(PATIENCE // 200):
        if true():
            return
        time.sleep(0.2)
    raise AssertionError("it did not come")


def shot(page, name):
    folder = os.environ.get("TELLAPART_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png")


def assert_accessible(page):
    """Let axe-core look at the page; a package brings its script along, which is not ours to commit (MPL)."""
    package = pytest.importorskip("axe_playwright_python", reason="pip install axe-playwright-python")
    page.evaluate(Path(package.__file__).with_name("axe.min.js").read_text())
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    told = [
        f"{each['id']}: {each['help']}: {[node['html'][:120] for node in each['nodes'][:3]]}"
        for each in found["violations"]
    ]
    assert told == []


def test_search_shows_hits_as_one_types(open_page):
    page = open_page()
    page.focus("input[type=search]")
    page.keyboard.type("when are roses cut back")
    page.wait_for_selector(".hit mark")
    assert "roses.md" in page.inner_text(".hit >> nth=0")
    shot(page, "search")
    page.keyboard.press("ArrowDown")
    assert page.get_attribute(".hit >> nth=0", "aria-current") == "true"
    page.click(".hit >> nth=0 >> text=Why")
    page.wait_for_selector(".why table")
    assert "The SVM likes most" in page.inner_text(".why")
    page.click(".hit >> nth=0 >> text=Around")
    page.wait_for_selector(".around pre")
    assert_accessible(page)
    shot(page, "why")
    page.keyboard.press("Escape")
    page.wait_for_selector(".hit", state="detached")


@pytest.mark.slow
def test_code_is_in_colours(open_page):
    page = open_page("#search?q=retry OSError attempt sleep")
    page.wait_for_selector(".hit.code .keyword")
    assert page.inner_text(".hit.code .function >> nth=0") == "retry"
    assert page.inner_text(".hit.code .comment") == "# back off"
    shot(page, "code")


@pytest.mark.slow
def test_examples_move_the_hits(open_page):
    page = open_page("#search?q=roses")
    page.wait_for_selector(".hit")
    page.click(".hit >> nth=0 >> text=More like this")
    page.wait_for_selector(".examples li")
    page.click(".examples button")
    page.wait_for_selector(".examples", state="detached")


@pytest.mark.slow
def test_rankers_side_by_side(open_page):
    page = open_page("#search?q=frost")
    page.wait_for_selector(".hit")
    page.check("text=side by side")
    page.wait_for_selector("section[aria-label='Hits of svm'] .hit")
    assert page.locator(".columns > section").count() == 4
    assert_accessible(page)
    shot(page, "beside")


@pytest.mark.slow
def test_mistakes_are_said(open_page):
    page = open_page("#search?q=roses")
    page.wait_for_selector(".hit")
    page.fill("input[aria-label='Only documents like this']", "colour = 3")
    page.keyboard.press("Tab")
    page.wait_for_selector("[role=alert]")
    assert "colour" in page.inner_text("[role=alert]")
    assert any("400" in each for each in open_page.said)  # the browser itself notes the status
    open_page.said.clear()


@pytest.mark.slow
def test_the_map(open_page):
    page = open_page("#map")
    page.wait_for_selector(".legend li")
    until(lambda: page.frame_locator("iframe").locator("canvas").evaluate("canvas => canvas.width") > 300)
    page.wait_for_timeout(1500)
    page.fill("input[aria-label='Search on the map']", "frost on the beds")
    page.wait_for_selector("section[aria-label=Hits] button")
    page.click("section[aria-label=Hits] button >> nth=0")
    page.wait_for_selector("section[aria-label='Chosen unit']")
    assert "frost" in page.inner_text("section[aria-label='Chosen unit']")
    page.wait_for_timeout(1500)
    assert_accessible(page)
    shot(page, "map")
    assert page.frame_locator("iframe").locator("canvas").evaluate(COLOURS_OF) > 3
    page.select_option("select >> nth=2", "outliers")
    page.select_option("select >> nth=1", "folder")
    page.wait_for_selector("text=garden")


@pytest.mark.slow
def test_the_map_by_neighbours(open_page):
    pytest.importorskip("openTSNE")
    page = open_page("#map")
    page.select_option("select >> nth=0", "neighbours")
    page.wait_for_selector(".legend li")
    page.wait_for_timeout(1000)
    shot(page, "neighbours")


@pytest.mark.slow
def test_judging_by_keys(open_page):
    page = open_page("#judge")
    page.fill("input[pattern]", f"look-{time.time_ns()}")
    page.fill("textarea", "when are roses cut back\nwhere is the valve\nfrost on the beds")
    page.click("button >> text=Start")
    page.wait_for_selector(".asked")
    first = page.inner_text(".asked .place")
    shot(page, "judge")
    assert_accessible(page)
    page.click("body", position={"x": 5, "y": 5})
    page.keyboard.press("y")
    until(lambda: page.inner_text(".asked .place") != first)
    assert "1 answer" in page.inner_text(".standing")
    page.keyboard.press("u")
    until(lambda: page.inner_text(".asked .place") == first)
    page.keyboard.press("n")
    page.wait_for_selector("text=1 answer")


@pytest.mark.slow
def test_evaluating(open_page):
    page = open_page("#evaluate")
    page.click("button >> text=Start")
    page.wait_for_selector("section[aria-label=Verdict], [role=alert]", timeout=4 * PATIENCE)
    shot(page, "evaluate")
    assert_accessible(page)


@pytest.mark.slow
def test_identities(open_page, tmp_path):
    (tmp_path / "a.txt").write_text("Cut the roses back above a bud in March.")
    (tmp_path / "b.txt").write_text("Close the valve under the stairs.")
    page = open_page("#identities")
    page.wait_for_selector("text=gardener")
    page.set_input_files("input[type=file]", [tmp_path / "a.txt", tmp_path / "b.txt"])
    page.click("button >> text=Identify")
    page.wait_for_selector(".view, [role=alert]")
    shot(page, "identities")
    assert_accessible(page)
    (tmp_path / "c.txt").write_text("Invoices are paid on the first Monday of the quarter.")
    page.set_input_files("input[type=file]", [tmp_path / "c.txt"])
    page.fill("label:has-text('name') input", "visitor")
    page.click("button >> text=Enrol")
    page.wait_for_selector("text=1 enrolled as visitor.")


@pytest.mark.slow
@pytest.mark.parametrize("view", ["search?q=roses", "map", "judge", "evaluate", "identities"])
def test_dark_and_on_a_phone(open_page, view):
    page = open_page(f"#{view}", width=390, height=844, dark=True)
    page.wait_for_selector({"search?q=roses": ".hit", "map": ".legend li"}.get(view, "h2"))
    page.wait_for_timeout(800)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(20, 22, 26)"
    assert_accessible(page)
    shot(page, f"phone-{view.partition('?')[0]}")


@pytest.mark.slow
def test_the_api_described(open_page):
    page = open_page("docs")
    page.wait_for_selector(".operation")
    page.click("summary:has-text('/v1/search') >> nth=0")
    page.click(".operation[open] button >> text=Send")
    page.wait_for_selector("pre[aria-label=Answer]")
    assert page.inner_text("pre[aria-label=Answer]").startswith("200")
    shot(page, "docs")
    assert_accessible(page)
