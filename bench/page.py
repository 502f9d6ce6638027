"""How long after a key the page shows what was found, in a real browser.

    python bench/page.py --output docs/benchmarks/page.md

Chromium, driven headless, types queries of the corpus's own words into the page, a key every 150 ms. The index is that
of bench/serving.py.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

from judged import publish, table
from passages import passages, queries
from serving import UNITS, prepared, server

TYPED, KEY_MS = 12, 150
WATCH = """
window.shown = []; let pressed = null;
addEventListener("input", () => { pressed = performance.now(); }, true);
const plain = window.fetch;
window.fetch = async (path, options) => {
  const since = pressed;
  const answer = await plain(path, options);
  if (path === "/v1/search") answer.clone().text().then(() => requestAnimationFrame(() => requestAnimationFrame(
    () => window.shown.push(performance.now() - since))));
  return answer;
};
"""
"""The second frame after the answer has come is sure to show it; the first mostly does."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--work", type=Path, default=Path("build/serving"), help="Keeps the index.")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("a browser types here: apt-get install chromium")
    texts = passages(options.units)
    folder = prepared(texts, options.work)
    with server(folder, 1) as (port, _):
        times = typed(browser, f"http://127.0.0.1:{port}/", queries(texts, TYPED, words=4))
    publish(report(times, options.units), options.output)


def typed(browser: str, address: str, asked: list[str]) -> np.ndarray:
    """Milliseconds from each key to the frame that shows the answer (n,)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        page = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page()
        page.add_init_script(WATCH)
        page.goto(address)
        page.focus("input[type=search]")
        page.keyboard.type("warm up", delay=KEY_MS)
        page.wait_for_timeout(2_000)
        page.evaluate("shown.length = 0")
        for text in asked:
            page.fill("input[type=search]", "")
            page.wait_for_timeout(KEY_MS)
            page.keyboard.type(text, delay=KEY_MS)
            page.wait_for_timeout(500)
        return np.array(page.evaluate("shown"))


def report(times: np.ndarray, units: int) -> str:
    quantiles = [f"{value:.0f}" for value in np.quantile(times, [0.5, 0.9, 0.95, 0.99])]
    row = [f"{len(times):,}", *quantiles, f"{np.mean(times < 100):.0%}"]
    head = ["keys answered", "median ms", "90 % ms", "95 % ms", "99 % ms", "under 100 ms"]
    return f"""# The page

Made by `python bench/page.py`: from a key to the frame that shows what was found, in headless Chromium on the machine
of the server, over the {units:,} passages of bench/serving.py (words and vectors together), a key every {KEY_MS} ms.

{table(head, [row])}"""


if __name__ == "__main__":
    main()
