"""Relations learned from a few pairs against the plain cosine: mean average precision from 5, 20 and 100 pairs.

TELLAPART_DATA=... python bench/relations.py --output docs/benchmarks/relations.md
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from judged import data_folder, publish, table
from tellapart.encoders.load import load_encoder
from tellapart.experiments.statistics import compare
from tellapart.scores.relations import PLAIN, RelationModel, TypicalWeights, surroundings_of

DRAWS = {5: 3, 20: 3, 100: 1}
"""How often so many pairs are drawn."""
ASKED = 100
"""Queries that no pair is taken from, at most."""

KINDS = 400
"""Synsets drawn of a domain."""

DOMAINS = {"animals": "5", "artefacts": "6", "food": "13", "people": "18"}


@dataclass(frozen=True)
class RelationSet:
    """Units as texts, and for each query unit its answers (positions); `first` is the one that a pair would name.

    Relations of one `family` share their concepts or words, and are never learned from for each other.
    """

    name: str
    units: Sequence[str]
    answers: Sequence[tuple[int, int, Sequence[int]]]
    family: str
    symmetric: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build") / "relations")
    parser.add_argument("--only", action="append", metavar="WORD")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    every = [(each, vectors_of(each, arguments.work)) for each in sets()]
    weights = {each.name: weights_of(each, vectors) for each, vectors in every}
    rows = []
    for each, vectors in every:
        if not arguments.only or any(word in each.name for word in arguments.only):
            rows += measure(each, vectors, typical(every, weights, each))
    head = ["relation (units, queries)", "pairs", "cosine", "learned", "gain", "of the cosine's", "p"]
    publish(
        "# Relations\n\n"
        f"Vectors of minilm. Mean average precision over up to {ASKED} queries that no pair was taken from, the mean\n"
        f"of {DRAWS[5]}, {DRAWS[20]} and {DRAWS[100]} draws of 5, 20 and 100 pairs; intervals 95 %, paired by query.\n"
        "Weights are held at those that the relations of other domains have. WordNet: *glosses* are units such as\n"
        '"beagle: a small short-legged smooth-coated breed of hound", *words* the lemma alone; answers are all\n'
        "ancestors up to three steps. Words: pairs of simlex999 (similar, 7 and more of 10) and of\n"
        "wordsim353-rel (related, 6 and more) among the words of both. sick: sentences that the query entails.\n\n"
        + table(head, rows)
        + "\nTypical weights of the views (cosine, step, bend, role, common), with spread: "
        + "; ".join(
            f"{name} {', '.join(f'{m:.2f} ({s:.2f})' for m, s in zip(own.mean, own.spread, strict=True))}"
            for name, own in (
                ("directed", typical(every, weights, None)),
                ("symmetric", typical(every, weights, None, symmetric=True)),
            )
        )
        + ".\n",
        arguments.output,
    )


def weights_of(own: RelationSet, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that a relation's own pairs say (5,), hardly held."""
    _, rest = split(own)
    wide = TypicalWeights(PLAIN, np.ones(len(PLAIN)))
    pairs = np.array([own.answers[position][:2] for position in rest[: max(DRAWS)]])
    model = RelationModel(1.0, symmetric=own.symmetric, typical=wide)
    return model.fit(vectors[pairs[:, 0]], vectors[pairs[:, 1]], surroundings_of(vectors)).weights_


def typical(every, weights, own: RelationSet | None, *, symmetric: bool = False) -> TypicalWeights:  # noqa: ANN001
    """What other relations of the same kind say: of other families where one is named, of all where none is."""
    symmetric = symmetric if own is None else own.symmetric
    like = [each for each, _ in every if each.symmetric == symmetric and each.family != "sick"]
    return TypicalWeights.of(
        [weights[each.name] for each in like if own is None or each.family != own.family]
    )


def split(own: RelationSet):  # noqa: ANN201
    """Queries that are asked, and positions of the others, whose pairs are learned from."""
    order = np.random.default_rng(0).permutation(len(own.answers))
    asked = [own.answers[position] for position in order[: min(ASKED, len(order) // 3)]]
    return asked, order[len(asked) :]


def measure(own: RelationSet, vectors: NDArray[np.float64], typical: TypicalWeights) -> list[list[str]]:
    """Rows of one relation: for each number of pairs, learned against plain."""
    surroundings = surroundings_of(vectors)
    asked, rest = split(own)
    plain = np.array([precision(vectors @ vectors[x], x, answers) for x, _, answers in asked])
    rows = []
    for size, times in DRAWS.items():
        if size > len(rest):
            continue
        draws = []
        for draw in range(times):
            drawn = np.random.default_rng(draw + 1).permutation(rest)[:size]
            pairs = np.array([own.answers[position][:2] for position in drawn])
            model = RelationModel(symmetric=own.symmetric, typical=typical).fit(
                vectors[pairs[:, 0]], vectors[pairs[:, 1]], surroundings
            )
            draws.append([precision(model.score(vectors[x], vectors), x, answers) for x, _, answers in asked])
        learned = np.mean(draws, axis=0)
        found = compare(learned, plain)
        rows.append(
            [
                f"{own.name} ({len(own.units):,}, {len(asked)})",
                str(size),
                f"{plain.mean():.3f}",
                f"{learned.mean():.3f}",
                f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]",
                f"{found.difference / plain.mean():+.0%}",
                f"{found.p:.4f}",
            ]
        )
    return rows


def precision(scores: NDArray[np.float64], x: int, answers: Sequence[int]) -> float:
    """Average precision of a query unit's answers among all other units."""
    scores = np.array(scores)
    scores[x] = -np.inf
    hits = np.isin(np.argsort(-scores, kind="stable"), answers)
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def sets():  # noqa: ANN201
    """All relations, one after the other."""
    synsets = [line.split("\t") for line in lines("wordnet/synsets.tsv")[1:]]
    kinds = [line.split("\t") for line in lines("wordnet/hypernyms.tsv")[1:]]
    for name, domain in DOMAINS.items():
        for form in ("glosses", "words"):
            yield kind_of(name, domain, form, synsets, kinds)
    yield from similar_and_related()
    yield entailment()


def kind_of(
    name: str, domain: str, form: str, synsets: Sequence[Sequence[str]], kinds: Sequence[Sequence[str]]
) -> RelationSet:
    """Synsets of one domain and their ancestors in it."""
    texts = {}
    for identifier, lexfile, lemmas, gloss in synsets:
        if lexfile == domain and identifier.startswith("n"):
            lemma = lemmas.split("|")[0]
            texts[identifier] = f"{lemma}: {gloss}" if form == "glosses" else lemma
    parents: dict[str, list[str]] = {}
    for child, parent, kind in kinds:
        if kind == "@" and child in texts and parent in texts:
            parents.setdefault(child, []).append(parent)
    drawn = np.random.default_rng(0).permutation(sorted(parents))[:KINDS].tolist()
    ancestors: dict[str, list[str]] = {}
    for child in drawn:
        step, found = [child], []
        for _ in range(3):
            step = [parent for each in step for parent in parents.get(each, ())]
            found += step
        ancestors[child] = list(dict.fromkeys(found))
    units = sorted({*drawn, *(each for found in ancestors.values() for each in found)})
    place = {identifier: position for position, identifier in enumerate(units)}
    answers = [(place[c], place[found[0]], [place[each] for each in found]) for c, found in ancestors.items()]
    return RelationSet(f"kind of, {name}, {form}", [texts[each] for each in units], answers, name)


def similar_and_related():  # noqa: ANN201
    """Two relations on the words of both lists."""
    kept = {}
    for name, file, least in (
        ("similar words (simlex999)", "similarity/simlex999.tsv", 7.0),
        ("related words (wordsim353-rel)", "similarity/wordsim353-rel.tsv", 6.0),
    ):
        rows = [line.split("\t") for line in lines(file)]
        kept[name] = [(a, b, float(score) >= least) for a, b, score, *_ in rows if a != b]
    words = sorted({word for rows in kept.values() for a, b, _ in rows for word in (a, b)})
    place = {word: position for position, word in enumerate(words)}
    for name, rows in kept.items():
        partners: dict[int, list[int]] = {}
        for a, b, true in rows:
            if true:
                partners.setdefault(place[a], []).append(place[b])
                partners.setdefault(place[b], []).append(place[a])
        answers = [(x, found[0], found) for x, found in sorted(partners.items())]
        yield RelationSet(name, words, answers, name, symmetric=True)


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


def vectors_of(own: RelationSet, work: Path) -> NDArray[np.float64]:
    """Encode the units, once."""
    kept = work / f"{own.name.replace(' ', '-')}.npy"
    if not kept.exists():
        np.save(kept, load_encoder("minilm").encode_document(list(own.units)))
    return np.load(kept).astype(np.float64)


if __name__ == "__main__":
    main()
