"""How long after a key the page shows what was found, in a real browser.

    python bench/page.py --output docs/benchmarks/page.md

Chromium, driven headless, types queries of the corpus's own words into the page in two ways: a key every 150 ms, and
each word at once with a rest after it. The index is that of bench/serving.py.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from judged import publish, table
from passages import passages, queries
from server_load import processor_time, server
from serving import UNITS, prepared

TYPED, KEY_MS, BURST_MS, REST_MS = 12, 150, 50, 500
"""Queries of each way, milliseconds between keys, between the keys of a word typed at once, and after each word."""

GOAL_MS = 100
PARTS = (
    ("from the key to the frame", "total"),
    ("until the request is sent", "sent"),
    ("until its answer has come", "came"),
    ("until the frame", "frame"),
)
WATCH = """
window.keys = []; window.searches = []; let pressed = 0;
addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
addEventListener("input", (event) => keys.push({ at: pressed, typed: event.target.value.trim() }), true);
const plain = window.fetch, frame = () => new Promise((done) => requestAnimationFrame(done));
window.fetch = async (path, options) => {
  if (path !== "/v1/search") return plain(path, options);
  const search = { query: JSON.parse(options.body).query, sent: performance.now(), end: "not answered" };
  searches.push(search);
  try {
    const answer = await plain(path, options);
    answer.clone().json().then(async (found) => {
      search.came = performance.now();
      search.end = String(answer.status);
      if (!answer.ok) return;
      await frame(); await frame();
      const first = document.querySelector(".hits .place")?.textContent ?? "";
      if (first.startsWith(found.hits[0]?.document ?? "")) search.shown = performance.now();
    }).catch(() => { search.end = "given up"; });
    return answer;
  } catch (error) {
    search.end = options.signal.aborted ? "given up" : "failed";
    throw error;
  }
};
"""
"""The second frame after the answer has come is sure to show it; the first mostly does. What it shows is looked at."""


@dataclass(frozen=True)
class Typing:
    """One way of typing: its keys that count, how each search ended, and what the server did meanwhile.

    `parts` are milliseconds (answered, 4) as in `PARTS`; `missed` keys that count and never had their results shown.
    """

    name: str
    keys: int
    unchanged: int
    superseded: int
    parts: np.ndarray
    missed: int
    ends: Counter[str]
    run: Counter[str]
    processor: float

    @property
    def counted(self) -> int:
        """Keys that count."""
        return len(self.parts) + self.missed


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
    asked = queries(texts, TYPED, words=4)
    with server(folder, 1) as (port, pid):
        ways = typed(browser, f"http://127.0.0.1:{port}/", asked, pid)
    publish(report(ways, options.units), options.output)


def typed(browser: str, address: str, asked: list[str], pid: int) -> list[Typing]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        page = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page()
        page.add_init_script(WATCH)
        page.goto(address)
        page.focus("input[type=search]")
        page.keyboard.type("warm up", delay=KEY_MS)
        page.wait_for_timeout(2_000)
        ways = []
        for name, words, delay in (
            (f"a key every {KEY_MS} ms", False, KEY_MS),
            (f"words at once, a key every {BURST_MS} ms", True, BURST_MS),
        ):
            page.evaluate("keys.length = searches.length = 0")
            before, run = processor_time(pid), finished(address)
            for text in asked:
                page.fill("input[type=search]", "")
                page.wait_for_timeout(KEY_MS)
                for part in re.findall(r"\S+\s*", text) if words else [text]:
                    page.keyboard.type(part, delay=delay)
                    page.wait_for_timeout(REST_MS)
            page.wait_for_timeout(2_000)
            run = finished(address) - run
            keys, searches = page.evaluate("[keys, searches]")
            ways.append(judged(name, keys, searches, run, 1_000 * (processor_time(pid) - before)))
        return ways


def finished(address: str) -> Counter[str]:
    """Searches that the server has ended so far, by status."""
    text = urllib.request.urlopen(f"{address}metrics", timeout=60).read().decode()
    found = re.findall(r'tellapart_requests_total\{endpoint="search",status="(\d+)"\} (\S+)', text)
    return Counter({status: int(float(count)) for status, count in found})


def judged(
    name: str, keys: list[dict[str, Any]], searches: list[dict[str, Any]], run: Counter[str], processor: float
) -> Typing:
    """Give each key the search for what it made of the query.

    A key counts unless it changes nothing (a space), empties the box, or the next one comes within the goal.
    """
    asking = [
        key
        for before, key in zip([{"typed": ""}, *keys], keys, strict=False)
        if key["typed"] and key["typed"] != before["typed"]
    ]
    pressed = sum(bool(key["typed"]) for key in keys)
    parts, missed, superseded = [], 0, 0
    for key, after in zip(asking, [*asking[1:], {"at": np.inf}], strict=True):
        if after["at"] - key["at"] < GOAL_MS:
            superseded += 1
            continue
        own = [each for each in searches if each["query"] == key["typed"] and each["sent"] >= key["at"]]
        shown = next((each for each in own if "shown" in each), None)
        if shown is None:
            missed += 1
            continue
        stops = [key["at"], shown["sent"], shown["came"], shown["shown"]]
        parts.append([stops[-1] - stops[0], *np.diff(stops)])
    ends = Counter(each["end"] for each in searches)
    return Typing(
        name, pressed, pressed - len(asking), superseded, np.array(parts), missed, ends, run, processor
    )


def report(ways: list[Typing], units: int) -> str:
    counts, times = [], []
    for way in ways:
        ended = ", ".join(f"{count} {end}" for end, count in sorted(way.ends.items()))
        ran = ", ".join(f"{count} x {status}" for status, count in sorted(way.run.items()) if count)
        counts.append(
            [
                way.name,
                f"{way.keys}",
                f"{way.unchanged}",
                f"{way.superseded}",
                f"{way.counted}",
                f"{way.missed}",
                f"{sum(way.ends.values())}: {ended}",
                ran,
                f"{way.processor / way.keys:.0f}",
                f"{way.processor / max(1, sum(way.ends.values())):.0f}",
            ]
        )
        for position, (label, _) in enumerate(PARTS):
            each = way.parts[:, position] if len(way.parts) else np.empty(0)
            # a key without an answer took for ever: it stands above every quantile that it reaches
            known = np.sort(np.concatenate([each, np.full(way.missed, np.inf)]))
            wanted = [known[min(len(known) - 1, int(share * len(known)))] for share in (0.5, 0.9, 0.95, 0.99)]
            soon = f"{np.mean(known < GOAL_MS):.1%}" if position == 0 else ""
            shown = ["never" if np.isinf(value) else f"{value:.0f}" for value in wanted]
            times.append([way.name if position == 0 else "", label, *shown, soon])
    head = ["typed", "", "median ms", "90 % ms", "95 % ms", "99 % ms", f"under {GOAL_MS} ms"]
    counted = [
        "typed",
        "keys",
        "change nothing",
        "superseded",
        "count",
        "never shown",
        "searches the page sent, and their end",
        "ended by the server",
        "processor ms a key",
        "a search",
    ]
    return f"""# The page

Made by `python bench/page.py`: from a key to the frame that shows what was found, in headless Chromium on the machine
of the server, over the {units:,} passages of bench/serving.py (words and vectors together).

Each key asks anew, and the page gives up what the key before it asked. A key counts unless it changes nothing (a space)
or the next that does comes within {GOAL_MS} ms: with words typed at once the last key of each word counts. A key that
counts and whose results were never shown, or whose answer has not status 200, is a miss: it took for ever.

{table(head, times)}
{table(counted, counts)}
*Ended by the server*: its own count, by status; 499 is a search that the page had given up. *Processor*: of the server.
Chromium and the server share {os.cpu_count()} cores with other programs (load {os.getloadavg()[0]:.1f} at the end), at
the same priority as they.
"""


if __name__ == "__main__":
    main()
