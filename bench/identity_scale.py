"""A gallery of a million templates: identify, and enrol beside searches.

python bench/identity_scale.py --output docs/benchmarks/identity_scale.md
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from judged import publish, table
from tellapart.identities import Gallery, View

DIM = 128
NOISE = 0.5
EACH = 10
BLOCK = 5_000
ASKED = 300
BATCH = 100
"""Views enrolled in one commit beside searches."""

FPIR = 1e-2


class Vectors:
    """Stands for an encoder: vectors are given, not made."""

    name, dim, max_tokens, fingerprint = "vectors", DIM, None, "vectors-128"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--templates", type=int, default=1_000_000)
    arguments = parser.parse_args()
    speeds = speed(arguments.templates)
    publish(
        f"""# Galleries of millions

Made by `python bench/identity_scale.py --output docs/benchmarks/identity_scale.md`.

{arguments.templates:,} templates, {EACH} for each identity at a noise of length {NOISE} around it, {DIM} dimensions,
scored by the nearest template (`max`, so that every template is a row); asked with views at the same noise ({ASKED}
searches, one at a time). Times are by the clock, and of the processors of this process in brackets.

{table(["", ""], speeds)}""",
        arguments.output,
    )


class Watch:
    """Seconds since it was made: by the clock, and of this process."""

    def __init__(self) -> None:
        self.own, self.clock = time.process_time(), time.perf_counter()

    def __call__(self) -> NDArray[np.float64]:
        """Give both."""
        return np.array([time.perf_counter() - self.clock, time.process_time() - self.own])


def speed(templates: int) -> list[list[str]]:
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "million.gal"
        gallery = Gallery.open(place, encoder=Vectors(), scoring="max")  # type: ignore[arg-type]
        watch, centres = Watch(), []
        for start in range(0, templates, BLOCK):
            mine = unit(random.normal(size=(BLOCK // EACH, DIM)))
            centres.append(mine)
            enrol(gallery, around(np.repeat(mine, EACH, axis=0), random), start)
            print(start, flush=True)
        filled = watch()
        gallery.close()
        watch = Watch()
        gallery = Gallery.open(place, encoder=Vectors(), create=False)  # type: ignore[arg-type]
        reference = gallery.known()
        opened = watch()
        watch = Watch()
        reference.best(centres[0][0], 1)
        coded = watch()
        people = random.permutation(len(centres) * len(centres[0]))[:ASKED]
        asked = around(np.concatenate(centres)[people], random)
        times, right = asked_all(gallery, asked)
        exact = exact_times(gallery, asked[:20])
        enrolled, beside = side_by_side(gallery, templates)
        watch = Watch()
        gallery.calibrate()
        calibrated = watch()
        found, whole = [], []
        for vector in asked[:100]:
            watch = Watch()
            found.append(gallery.identify(View("", vector, b"x" * 16), fpir=FPIR)[0])
            whole.append(watch() * 1e3)
        named = np.mean(
            [each.name == f"person {person}" for each, person in zip(found, people, strict=False)]
        )
        others = unit(random.normal(size=(200, DIM)))
        strangers = [gallery.identify(View("", each, b"y" * 16), fpir=FPIR)[0].name for each in others]
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        gallery.close()

    def both(value: NDArray[np.float64], what: str) -> str:
        return f"{value[0]:,.1f} {what} ({value[1]:,.1f})"

    return [
        ["best identities for a view, p50", both(np.median(times, axis=0), "ms")],
        ["p95", both(np.quantile(times, 0.95, axis=0), "ms")],
        ["exact scan of all rows by numpy, p50", both(np.median(exact, axis=0), "ms")],
        ["searches whose best score is the exact scan's", f"{right:.3f}"],
        [
            "`identify`, with threshold, probabilities and audit log, p50",
            both(np.median(whole, axis=0), "ms"),
        ],
        ["p95", both(np.quantile(whole, 0.95, axis=0), "ms")],
        [f"views given the right name at FPIR {FPIR:g}", f"{named:.3f}"],
        [
            f"strangers given a name at FPIR {FPIR:g}, of 200",
            f"{np.mean([each is not None for each in strangers]):.3f}",
        ],
        [
            "templates enrolled a second, alone",
            f"{templates / filled[0]:,.0f} ({templates / filled[1]:,.0f})",
        ],
        [
            f"templates enrolled a second in commits of {BATCH}, a search after each",
            f"{enrolled[0]:,.0f} ({enrolled[1]:,.0f})",
        ],
        ["a search then, p50", both(np.median(beside, axis=0), "ms")],
        ["opening: reading all templates", both(opened, "s")],
        ["building the codes, once per process and for each tenth that changed", both(coded, "s")],
        ["calibrating: 2,000 templates play strangers", both(calibrated, "s")],
        ["on the disk", f"{size / 1e6:,.0f} MB"],
    ]


def around(centres: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    return unit(centres + NOISE * random.normal(size=centres.shape) / DIM**0.5)


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def enrol(gallery: Gallery, vectors: NDArray[np.float32], start: int) -> None:
    names = [f"person {(start + row) // EACH}" for row in range(len(vectors))]
    views = [View("", vector, (start + row).to_bytes(16, "big")) for row, vector in enumerate(vectors)]
    gallery.enrol_views(names, views, anyway=True)


def asked_all(gallery: Gallery, asked: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    reference = gallery.known()
    times, right = [], []
    rows = reference.rows
    for vector in asked:
        watch = Watch()
        found = reference.best(vector, 3)
        times.append(watch() * 1e3)
        right.append(abs(found[0][1] - float((rows @ vector).max())) < 1e-5)
    return np.array(times), float(np.mean(right))


def exact_times(gallery: Gallery, asked: NDArray[np.float32]) -> NDArray[np.float64]:
    rows, times = gallery.known().rows, []
    for vector in asked:
        watch = Watch()
        np.argmax(rows @ vector)
        times.append(watch() * 1e3)
    return np.array(times)


def side_by_side(gallery: Gallery, start: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random, times = np.random.default_rng(1), []
    whole = Watch()
    for number in range(100):
        enrol(gallery, unit(random.normal(size=(BATCH, DIM))), start + number * BATCH)
        watch = Watch()
        gallery.known().best(unit(random.normal(size=(1, DIM)))[0], 3)
        times.append(watch() * 1e3)
    return 100 * BATCH / whole(), np.array(times)


if __name__ == "__main__":
    main()
