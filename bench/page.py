"""How long after a key the page shows what was found, in a real browser.

    python bench/page.py --output docs/benchmarks/page.md

Chromium, driven headless, types queries of the corpus's own words into the page, a key every 150 ms. The index is that
of bench/serving.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

import numpy as np

from judged import publish, table
from passages import passages, queries
from server_load import processor_time, server
from serving import UNITS, prepared

TYPED, KEY_MS = 12, 150
PARTS = (
    "from the key to the frame",
    "until the request is sent",
    "until its answer has come",
    "until the frame",
)
WATCH = """
window.shown = []; let pressed = null;
addEventListener("input", () => { pressed = performance.now(); }, true);
const plain = window.fetch;
window.fetch = async (path, options) => {
  const since = pressed, sent = performance.now();
  const answer = await plain(path, options);
  if (path === "/v1/search") answer.clone().text().then(() => {
    const came = performance.now();
    requestAnimationFrame(() => requestAnimationFrame(
      () => window.shown.push([performance.now() - since, sent - since, came - sent, performance.now() - came])));
  });
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
    with server(folder, 1) as (port, pid):
        asked = queries(texts, TYPED, words=4)
        times, spent = typed(browser, f"http://127.0.0.1:{port}/", asked, pid)
    publish(report(times, sum(map(len, asked)), spent, options.units), options.output)


def typed(browser: str, address: str, asked: list[str], pid: int) -> tuple[np.ndarray, float]:
    """Milliseconds of each key that was answered (n, 4), and the server's milliseconds of processor for each.

    From the key to the frame that shows the answer; of that until the request is sent, until its answer has come, until
    the frame.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        page = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page()
        page.add_init_script(WATCH)
        page.goto(address)
        page.focus("input[type=search]")
        page.keyboard.type("warm up", delay=KEY_MS)
        page.wait_for_timeout(2_000)
        page.evaluate("shown.length = 0")
        before = processor_time(pid)
        for text in asked:
            page.fill("input[type=search]", "")
            page.wait_for_timeout(KEY_MS)
            page.keyboard.type(text, delay=KEY_MS)
            page.wait_for_timeout(500)
        times = np.array(page.evaluate("shown"))
        return times, 1_000 * (processor_time(pid) - before) / len(times)


def report(times: np.ndarray, keys: int, spent: float, units: int) -> str:
    rows = []
    for name, each in zip(PARTS, times.T, strict=True):
        quantiles = [f"{value:.0f}" for value in np.quantile(each, [0.5, 0.9, 0.95, 0.99])]
        rows.append([name, *quantiles, f"{np.mean(each < 100):.0%}" if name == PARTS[0] else ""])
    head = [f"{len(times):,} keys answered", "median ms", "90 % ms", "95 % ms", "99 % ms", "under 100 ms"]
    return f"""# The page

Made by `python bench/page.py`: from a key to the frame that shows what was found, in headless Chromium on the machine
of the server, over the {units:,} passages of bench/serving.py (words and vectors together), a key every {KEY_MS} ms.

{table(head, rows)}
{keys:,} keys were pressed and {len(times):,} answers have a time: the others were not seen to
arrive and may be the slow ones, so that the table is no proof for all keys.
The server takes {spent:.0f} ms of processor for each answered key.
Chromium and the server share {os.cpu_count()} cores with
other programs (load {os.getloadavg()[0]:.1f} at the end), at the same priority as they.
"""


if __name__ == "__main__":
    main()
