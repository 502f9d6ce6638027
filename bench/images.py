"""From images to a search by image, with the commands a user types.

TELLAPART_DATA=... python bench/images.py --output docs/benchmarks/images.md

Characters (Omniglot): trains on four alphabets, indexes the fifth with what came out and with raw pixels, and lets
`evaluate` compare them: each drawing is asked for the others of its character. The fifth is Korean, on which training
was tuned (bench/omniglot.py), so what is shown is what development data give. Faces (AT&T, and Yale B under changing
light) and digits (MNIST): raw pixels only, for what the ranker does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from judged import data_folder, publish, table

HELD_OUT = "Korean"
PIXELS_ONLY = ("att_faces", "yaleb_cropped", "mnist10k")
TRAIN = ("--grey", "--size", "28", "--turns", "--steps", "600")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        publish(page(Path(home)), arguments.output)


def page(home: Path) -> str:
    write_characters(home)
    trained = timed("train", home / "letters", *TRAIN, "--output", home / "encoder")
    place = ("--index", home / "things.idx")
    indexed = timed("index", home / "things", *place, "--encoder", f"folder:{home / 'encoder'}")
    compared = timed("evaluate", *place, "--all", "--json")
    verdict = json.loads(compared[1])
    shown = [
        (
            each["name"].replace(str(home / "encoder"), "encoder"),
            f"{each['mean']:.3f} [{each['low']:.3f}, {each['high']:.3f}]",
            difference(each["vs_bm25"]),
            f"{each['cost']['query_ms']:.1f} ms",
        )
        for each in verdict["configurations"]
    ]
    rows = table(("configuration", f"{verdict['measure']} [95 %]", "minus pixels, k-NN", "a query"), shown)
    by_pixels = table(
        ("images (folders)", "asked", "k-NN", "ridge - k-NN", "svm tuned - k-NN"),
        [pixels_row(home, name) for name in PIXELS_ONLY],
    )
    reason = verdict["reason"].replace(str(home / "encoder"), "encoder")
    return f"""# Search by image

Made by `python bench/images.py --output docs/benchmarks/images.md`, with the commands that users type:

    tellapart train letters/ {" ".join(TRAIN)} --output encoder      # {trained[0]:.0f} s
    tellapart index things/ --encoder folder:encoder --index things.idx     # {indexed[0]:.1f} s
    tellapart evaluate --index things.idx      # {compared[0]:.0f} s; adds raw pixels by itself

`things` are {verdict["queries"]} drawings of {verdict["independent"]} characters of an alphabet that training never
saw. Each drawing asks for the others of its character; intervals are over characters.

{rows}

Verdict: {reason}.

Raw pixels of other things, which ranker finds the same thing first (P@1)? `tellapart index FOLDER --encoder pixels`,
`tellapart evaluate --measure P@1`:

{by_pixels}"""


def pixels_row(home: Path, name: str) -> tuple[str, ...]:
    """Compare rankers on raw pixels of one set."""
    file = next((data_folder() / name).glob("*.npz"))
    content = np.load(file)
    for number, (image, label) in enumerate(zip(content["images"], content["labels"], strict=True)):
        folder = home / name / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    place = ("--index", home / f"{name}.idx")
    timed("index", home / name, *place, "--encoder", "pixels")
    verdict = json.loads(timed("evaluate", *place, "--measure", "P@1", "--json")[1])
    found = {each["ranker"]: each for each in verdict["configurations"]}
    return (
        f"{name} ({verdict['independent']})",
        f"{verdict['queries']:,}",
        f"{found['knn']['mean']:.3f}",
        *(difference(found[ranker]["vs_bm25"]) for ranker in ("ridge", "svm")),
    )


def write_characters(home: Path) -> None:
    """Lay the drawings out as users have them: a folder for each character."""
    content = np.load(data_folder() / "omniglot8" / "omniglot8.npz")
    for number, (image, label) in enumerate(zip(content["images"], content["labels"], strict=True)):
        part = "things" if content["alphabet"][number] == HELD_OUT else "letters"
        folder = home / part / str(content["names"][label]).replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")


def timed(*arguments: object) -> tuple[float, str]:
    """Run a verb in a process of its own: seconds and what it printed."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "tellapart", *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - started, done.stdout


def difference(of: dict[str, float] | None) -> str:
    if of is None:
        return ""
    low, high = of["low"], of["high"]
    return f"{of['difference']:+.3f} [{low:+.3f}, {high:+.3f}], p {of['p']:.4f}"


if __name__ == "__main__":
    main()
