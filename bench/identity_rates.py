"""Rates asked for against rates obtained on strangers never seen: faces, characters, intents.

TELLAPART_DATA=... python bench/identity_rates.py --output docs/benchmarks/identity_rates.md
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from judged import data_folder, publish, table
from tellapart.encoders.cache import open_cache
from tellapart.encoders.faces import open_face
from tellapart.encoders.load import load_encoder
from tellapart.encoders.pooling import embed
from tellapart.encoders.protocol import unit_rows
from tellapart.encoders.windows import UnitText
from tellapart.errors import TellapartError
from tellapart.identities.answers import Scoring
from tellapart.identities.calibration import calibrate
from tellapart.identities.matching import Reference
from tellapart.identities.store import Templates

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
RESAMPLINGS = 100
FAR, FPIR = 1e-2, 5e-2
TEMPLATES = 3
"""Of each enrolled identity; its other views are asked."""


@dataclass(frozen=True)
class Set:
    """Unit vectors, whose they are, and how many identities are enrolled; the others are strangers."""

    name: str
    vectors: Vectors
    owners: Rows
    enrolled: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = [line for each in (faces(), characters(), intents()) for line in lines_of(each)]
    publish(
        f"""# Rates asked for, rates obtained

Made by `python bench/identity_rates.py --output docs/benchmarks/identity_rates.md`. {RESAMPLINGS} times, some of the
identities are drawn and enrolled with {TEMPLATES} templates each; the gallery measures its thresholds on itself alone,
and all identities that are left are strangers to it. FAR: share of a stranger's views that pass as a given enrolled
identity (`verify --as`). FPIR: share of them that get any name (`identify`). The promise is for a new stranger, on
average over galleries: so the test draws **one** view of one stranger for each gallery and counts those let in; p
is the one-sided binomial probability of so many or more if the rate were as asked. "Above" counts the galleries whose
own rate on all strangers is above what was asked: the promise says nothing of a single gallery, and few strangers make
it ragged. DIR and TAR: share of the enrolled identities' other views that get their name, or pass as themselves;
"oracle": with the threshold that lets in exactly the asked share of these strangers over all galleries, which nobody
can know.

{table(HEAD, rows)}
att_faces has 20 people: 19 carry an FPIR of .05 and leave one stranger. Encoders: `face`; characters and intents need
no training here: pixels of omniglot8 less their mean, and `minilm` of every tenth text of banking77 (17 for each
intent).
""",
        arguments.output,
    )


HEAD = (
    "set",
    "enrolled / strangers",
    "asked",
    "obtained",
    "single views let in",
    "p",
    "above",
    "TAR or DIR",
    "oracle",
)


def faces() -> Set:
    content = np.load(data_folder() / "att_faces" / "att_faces.npz")
    vectors = open_face(threads=1).encode_images(content["images"])
    seen = vectors.any(axis=1)
    return Set("att_faces", vectors[seen], content["labels"][seen].astype(np.int64), 19)


def characters() -> Set:
    content = np.load(data_folder() / "omniglot8" / "omniglot8.npz")
    levels = content["images"].reshape(len(content["images"]), -1).astype(np.float32)
    vectors = unit_rows(levels - levels.mean(axis=0), encoder="pixels")
    return Set("omniglot8", vectors, content["labels"].astype(np.int64), 68)


def intents() -> Set:
    lines = (data_folder() / "banking77" / "banking77.tsv").read_text(encoding="utf-8").splitlines()[1:]
    names, texts = zip(*(line.split("\t")[1:3] for line in lines[8::10]), strict=True)
    vectors, _ = embed(load_encoder("minilm"), [UnitText("", text) for text in texts], cache=open_cache())
    return Set("banking77", vectors, np.unique(names, return_inverse=True)[1], 40)


@dataclass(frozen=True)
class Outcome:
    """Of one gallery: scores of strangers and of the enrolled, and the threshold; `own` where the name is right."""

    threshold: float
    strangers: NDArray[np.float64]
    one: float
    known: NDArray[np.float64]


def lines_of(data: Set) -> list[list[str]]:
    print(data.name, len(data.vectors), flush=True)
    found: dict[str, list[Outcome]] = {"FAR": [], "FPIR": []}
    refused: dict[str, str] = {}
    for number in range(RESAMPLINGS):
        for kind, outcome in one_gallery(data, np.random.default_rng([3, number])).items():
            if isinstance(outcome, str):
                refused[kind] = outcome
            else:
                found[kind].append(outcome)
    strangers = len(np.unique(data.owners)) - data.enrolled
    lines = []
    for kind, asked in (("FAR", FAR), ("FPIR", FPIR)):
        start = [data.name, f"{data.enrolled} / {strangers}", f"{kind} {asked:g}"]
        outcomes = found[kind]
        if not outcomes:
            lines.append([*start, f"refused: {refused[kind]}", *[""] * 5])
            continue
        rates = [float((each.strangers > each.threshold).mean()) for each in outcomes]
        let_in = sum(each.one > each.threshold for each in outcomes)
        p = binomtest(let_in, len(outcomes), asked, alternative="greater").pvalue
        detected = np.mean([(each.known > each.threshold).mean() for each in outcomes])
        pooled = np.sort(np.concatenate([each.strangers for each in outcomes]))[::-1]
        oracle = pooled[int(asked * len(pooled))]
        best = np.mean([(each.known > oracle).mean() for each in outcomes])
        above = sum(rate > asked for rate in rates)
        lines.append(
            [
                *start,
                f"{np.mean(rates):.4f}",
                f"{let_in} of {len(outcomes)}",
                f"{p:.2f}",
                str(above),
                f"{detected:.3f}",
                f"{best:.3f}",
            ]
        )
    return lines


def one_gallery(data: Set, random: np.random.Generator) -> dict[str, Outcome | str]:
    people = random.permutation(np.unique(data.owners))[: data.enrolled]
    template = np.zeros(len(data.owners), dtype=bool)
    for person in people:
        template[random.permutation(np.flatnonzero(data.owners == person))[:TEMPLATES]] = True
    enrolled = np.isin(data.owners, people)
    rows = np.flatnonzero(template)
    templates = Templates(
        rows, data.owners[rows], np.zeros(len(rows), bool), np.ones(len(rows)), data.vectors[rows]
    )
    reference = Reference(data.vectors.shape[1], Scoring.MEAN)
    reference.add(templates.identities, templates.automatic, templates.qualities, templates.vectors)
    nobody = templates.rows(np.zeros(0, dtype=np.int64))
    measured = calibrate(
        reference,
        templates,
        nobody,
        lambda owner: templates.rows(np.flatnonzero(templates.identities == owner)),
    )
    asked, strangers = np.flatnonzero(enrolled & ~template), np.flatnonzero(~enrolled)
    numbers, own = reference.scores(data.vectors[asked])
    place = np.searchsorted(numbers, data.owners[asked])
    right = numbers[own.argmax(axis=1)] == data.owners[asked]
    _, other = reference.scores(data.vectors[strangers])
    # one view of a stranger that is drawn first: people count alike, however many views they have
    person = random.choice(np.unique(data.owners[strangers]))
    single = int(random.choice(np.flatnonzero(data.owners[strangers] == person)))
    claimed = int(random.integers(other.shape[1]))
    found: dict[str, Outcome | str] = {}
    try:
        bound = measured.far_bound(FAR, None, claims=True)
        passed = own[np.arange(len(asked)), place].astype(np.float64)
        found["FAR"] = Outcome(
            bound.threshold, other.ravel().astype(np.float64), float(other[single, claimed]), passed
        )
    except TellapartError as error:
        found["FAR"] = str(error)
    try:
        bound = measured.fpir_bound(FPIR, None)
        best = np.where(right, own.max(axis=1), -np.inf).astype(np.float64)
        most = other.max(axis=1).astype(np.float64)
        found["FPIR"] = Outcome(bound.threshold, most, float(most[single]), best)
    except TellapartError as error:
        found["FPIR"] = str(error)
    return found


if __name__ == "__main__":
    main()
