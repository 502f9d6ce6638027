"""Relations with known answers, from the judged data: kinds and parts (WordNet), similar and related words, sick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judged import data_folder

KINDS = 400
"""Synsets drawn of a domain."""

DOMAINS = {"animals": "5", "artefacts": "6", "food": "13", "people": "18"}
PART_DOMAINS = {"body": "08", "artefacts": "06", "places": "15"}
FORMS = ("glosses", "words")

Parents = Mapping[str, Sequence[str]]
Named = tuple[str, str]
"""A lemma and its gloss."""


@dataclass(frozen=True)
class RelationSet:
    """Units as texts, and for each query unit its answers (positions); the second is the one that a pair would name.

    `names` are of the units, empty = they have none. Relations of one `family` share their concepts or words, and are
    never learned from for each other.
    """

    name: str
    units: Sequence[str]
    answers: Sequence[tuple[int, int, Sequence[int]]]
    family: str
    symmetric: bool = False
    names: Sequence[str] = ()


def sets(dictionary: Path | None) -> Iterator[RelationSet]:
    """All relations, one after the other."""
    synsets = [line.split("\t") for line in lines("wordnet/synsets.tsv")[1:]]
    kinds = [line.split("\t") for line in lines("wordnet/hypernyms.tsv")[1:]]
    for name, domain in DOMAINS.items():
        named = {
            identifier: (lemmas.split("|")[0], gloss)
            for identifier, lexfile, lemmas, gloss in synsets
            if lexfile == domain and identifier.startswith("n")
        }
        parents: dict[str, list[str]] = {}
        for child, parent, kind in kinds:
            if kind == "@" and child in named and parent in named:
                parents.setdefault(child, []).append(parent)
        yield from hierarchy("kind of", name, named, parents)
    for name, domain in PART_DOMAINS.items() if dictionary else ():
        yield from hierarchy("part of", name, *parts(dictionary / "data.noun", domain))
    yield from similar_and_related()
    yield similar_verbs()
    yield entailment()


def hierarchy(
    relation: str, domain: str, named: Mapping[str, Named], parents: Parents
) -> Iterator[RelationSet]:
    """Some synsets of one domain, and what stands up to three steps above them."""
    drawn = np.random.default_rng(0).permutation(sorted(parents))[:KINDS].tolist()
    above: dict[str, list[str]] = {}
    for child in drawn:
        step, found = [child], []
        for _ in range(3):
            step = [parent for each in step for parent in parents.get(each, ())]
            found += step
        above[child] = [each for each in dict.fromkeys(found) if each != child]
    units = sorted({*drawn, *(each for found in above.values() for each in found)})
    place = {identifier: position for position, identifier in enumerate(units)}
    answers = [(place[c], place[found[0]], [place[each] for each in found]) for c, found in above.items()]
    names = [named[each][0] for each in units]
    for form in FORMS:
        texts = [f"{lemma}: {gloss}" for lemma, gloss in map(named.__getitem__, units)]
        glosses = form == "glosses"
        yield RelationSet(
            f"{relation}, {domain}, {form}",
            texts if glosses else names,
            answers,
            domain,
            names=names if glosses else (),
        )


def parts(file: Path, domain: str) -> tuple[Mapping[str, Named], Parents]:
    """Read synsets of one domain and what they are part of, as man wndb(5) describes the file."""
    named: dict[str, Named] = {}
    wholes: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):  # the licence
            continue
        fields, gloss = line.split(" | ", 1)
        offset, lexfile, _, count, lemma, *rest = fields.split(" ")
        pointers = rest[2 * int(count, 16) :]
        if lexfile == domain:
            named[offset] = (lemma.replace("_", " "), gloss.split('; "')[0].strip())
            for kind, target, speech in zip(pointers[::4], pointers[1::4], pointers[2::4], strict=False):
                if kind == "#p" and speech == "n":
                    wholes.setdefault(offset, []).append(target)
    inside = {part: [each for each in found if each in named] for part, found in wholes.items()}
    return named, {part: found for part, found in inside.items() if found}


def similar_and_related() -> Iterator[RelationSet]:
    """Two relations on the words of both lists."""
    kept = {
        "similar words (simlex999)": scored_pairs("similarity/simlex999.tsv", 7.0),
        "related words (wordsim353-rel)": scored_pairs("similarity/wordsim353-rel.tsv", 6.0),
    }
    words = sorted({word for rows in kept.values() for a, b, _ in rows for word in (a, b)})
    for name, rows in kept.items():
        yield both_ways(name, words, rows, name)


def similar_verbs() -> RelationSet:
    """Pairs of verbs, among themselves."""
    rows = scored_pairs("similarity/simverb3500.tsv", 7.0)
    words = sorted({word for a, b, _ in rows for word in (a, b)})
    return both_ways("similar verbs (simverb3500)", words, rows, "verbs")


def scored_pairs(file: str, least: float) -> list[tuple[str, str, bool]]:
    """Pairs of words, and whether they have at least this score."""
    rows = [line.split("\t") for line in lines(file)]
    return [(a, b, float(score) >= least) for a, b, score, *_ in rows if a != b]


def both_ways(
    name: str, words: Sequence[str], rows: Sequence[tuple[str, str, bool]], family: str
) -> RelationSet:
    """Make a symmetric relation of the pairs that are true."""
    place = {word: position for position, word in enumerate(words)}
    partners: dict[int, list[int]] = {}
    for a, b, true in rows:
        if true:
            partners.setdefault(place[a], []).append(place[b])
            partners.setdefault(place[b], []).append(place[a])
    answers = [(x, found[0], found) for x, found in sorted(partners.items())]
    return RelationSet(name, words, answers, family, symmetric=True)


def entailment() -> RelationSet:
    """Sentences of sick and what they entail, among all sentences of its development part."""
    rows = [
        line.split("\t")
        for line in (*lines("similarity/sick-dev.tsv"), *lines("similarity/sick-train.tsv")[:800])
    ]
    sentences = sorted({side for row in rows for side in row[:2]})
    place = {sentence: position for position, sentence in enumerate(sentences)}
    entailed: dict[int, list[int]] = {}
    for a, b, _, label in rows:
        if label == "ENTAILMENT" and a != b:
            entailed.setdefault(place[a], []).append(place[b])
    answers = [(x, found[0], found) for x, found in sorted(entailed.items())]
    return RelationSet("entails (sick)", sentences, answers, "sick")


def lines(name: str) -> list[str]:
    """Lines of a file of the data that are not empty."""
    text = (data_folder() / name).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line.strip()]
