"""Do the units that examples find say more of them? `expanded-ridge` against `ridge`, and its settings.

    TELLAPART_DATA=... python bench/svm_expansion.py --output docs/benchmarks/svm_expansion.md

Items, draws and measures are those of svm_evidence.py. Concepts are drawn on until all that qualify are there: the
first ones are the concepts of that page, the others nobody looked at before. The settings of `expanded-ridge` were
chosen on those others, so that nothing was lost on the judged sets and on intents: 13,083 requests of banking77, of 77
kinds. (A first choice let the first units weigh half of all examples, however many: it was better on concepts, those of
the evidence included, and lost on intents.)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from judged import data_folder, publish, table
from svm_draws import SIZES, Draw, example_draws
from svm_methods import Method, Score, linear, measured
from svm_sets import CONCEPTS, Collection, concepts, intents, judged_collections
from tellapart.experiments.statistics import compare
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.ridge import EXPANDED_RATIO, EXPANDING_UNITS, EXPANDING_WEIGHT, ExpandedRidge, Ridge
from tellapart.rankers.rocchio import Rocchio

RATIOS, COUNTS, WEIGHTS = (5.0, 10.0, 20.0), (5, 10, 20), (0.5, 1.0, 2.0)
ALL = 100_000
"""More concepts than there are."""
SEED = 0
NOUNS = "concepts, nouns"
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """A collection as it is indexed."""

    collection: Collection
    index: VectorIndex

    @classmethod
    def of(cls, collection: Collection) -> Source:
        """Index one."""
        index = VectorIndex([collection.vectors.astype(np.float16)])
        return cls(replace(collection, vectors=index.matrix()), index)


Asked = Callable[[int], bool]
PARTS: dict[str, Asked] = {
    f"the {CONCEPTS} of the evidence": lambda query: query < CONCEPTS,
    "the others": lambda query: query >= CONCEPTS,
    "all": lambda query: True,
}


def values(sources: Sequence[Source], size: int, score: Score, asked: Asked = PARTS["all"]) -> Values:
    """Value per query over some collections."""
    found = []
    for source in sources:
        draws: list[Draw] = [
            draw for draw in example_draws(source.collection, size, wrong=False) if asked(draw.query)
        ]
        if draws:
            found.append(measured(Method("", (("", score),)), source.collection, source.index, draws)[0])
    return np.concatenate(found)


def difference(a: Values, b: Values, *, share: bool = False) -> str:
    found = compare(a, b, seed=SEED)
    text = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    if share:
        parts = (100 * value / float(b.mean()) for value in (found.difference, found.low, found.high))
        text += " = {:+.0f}% [{:+.0f}, {:+.0f}]".format(*parts)
    return f"{text}, p {found.p:.2g}"


def settings(nouns: Source, judged: Sequence[Source], requests: Source) -> Iterator[list[str]]:
    """Grid of the settings: gain over the mean on the other concepts, difference to ridge elsewhere."""
    others = PARTS["the others"]
    tasks = [*product([judged], (2, 3, 5, 10)), *product([[requests]], (5, 10))]
    means = {size: values([nouns], size, linear(Rocchio(1, 1, 0), text=False), others) for size in (3, 5)}
    plain = [values(sources, size, linear(Ridge(), text=False)) for sources, size in tasks]
    for ratio, units, weight in product(RATIOS, COUNTS, WEIGHTS):
        score = linear(ExpandedRidge(Ridge(ratio), units=units, weight=weight), text=False)
        gains = [values([nouns], size, score, others).mean() / own.mean() - 1 for size, own in means.items()]
        told = [
            difference(values(sources, size, score), own)
            for (sources, size), own in zip(tasks, plain, strict=True)
        ]
        chosen = "**" if (ratio, units, weight) == (EXPANDED_RATIO, EXPANDING_UNITS, EXPANDING_WEIGHT) else ""
        yield [
            f"{chosen}{ratio:g}, {units}, {weight:g}{chosen}",
            *(f"{gain:+.1%}" for gain in gains),
            *(cell.partition(", p ")[0] for cell in told),
        ]


def applied(sources: Sequence[Source], requests: Sequence[Source]) -> Iterator[list[str]]:
    """`expanded-ridge` on concepts, those it was not chosen on first, and on intents."""
    asked_of = [*product(PARTS.items(), sources), *product([("all", PARTS["all"])], requests)]
    for ((part, asked), source), size in product(asked_of, SIZES):
        name, encoder = source.collection.name, source.collection.encoder
        for text in (False, True) if encoder == "minilm" else (False,):
            plain = Rocchio() if text else Rocchio(1, 1, 0)
            base, ridge, expanded = (
                values([source], size, linear(each, text=text), asked)
                for each in (plain, Ridge(), ExpandedRidge())
            )
            task = f"{size} and words" if text else str(size)
            columns = [f"{own.mean():.3f}" for own in (base, ridge, expanded)]
            gains = [difference(expanded, base, share=True), difference(expanded, ridge)]
            yield [f"{part} ({len(base)})", name, encoder, task, *columns, *gains]


def on_judged(sources: Sequence[Source]) -> Iterator[list[str]]:
    """`expanded-ridge` beside `ridge`, both as `search` has them, on all judged sets together."""
    for encoder, text, size in product(("minilm", "lsa"), (False, True), SIZES):
        chosen = [source for source in sources if source.collection.encoder == encoder]
        ridge, expanded = (
            values(chosen, size, linear(each, text=text)) for each in (Ridge(), ExpandedRidge())
        )
        task = f"{size} and words" if text else str(size)
        columns = [f"{own.mean():.3f}" for own in (ridge, expanded)]
        yield [encoder, task, str(len(ridge)), *columns, difference(expanded, ridge)]


def page(place: Path) -> str:
    started = time.perf_counter()
    data = data_folder()
    of_concepts = [Source.of(each) for each in concepts(data, place, ALL)]
    requests = [Source.of(each) for each in intents(data, place)]
    judged = [Source.of(each) for each in judged_collections(data, place)]
    nouns = next(
        each for each in of_concepts if (each.collection.name, each.collection.encoder) == (NOUNS, "minilm")
    )
    minilm = [each for each in judged if each.collection.encoder == "minilm"]
    tables = [
        f"{SETTINGS}\n\n{table(GRID, list(settings(nouns, minilm, requests[0])))}",
        f"{APPLIED}\n\n{table(CONCEPT, list(applied(of_concepts, requests)))}",
        f"## Judged sets\n\nnDCG@10.\n\n{table(JUDGED, list(on_judged(judged)))}",
    ]
    first, _, explained = (__doc__ or "").partition("\n\n    ")
    command, _, explained = explained.partition("\n\n")
    minutes = (time.perf_counter() - started) / 60
    parts = [
        f"# What examples find, as further examples\n\n`{command}`\n\n{first} {' '.join(explained.split())} Paired"
        f" intervals of 95 %, p by 10,000 sign flips, uncorrected; seed {SEED}.",
        *tables,
        f"{minutes:.0f} minutes on one core; vectors were there before.\n",
    ]
    return "\n\n".join(parts)


SETTINGS = """## Where the settings come from

Lambda, first units, what they weigh together where one example weighs 1; as chosen in bold. Average precision over the
mean of the examples on the other concepts (nouns), nDCG@10 - `ridge` on the judged sets, and average precision -
`ridge` on the intents of banking77, by number of examples; all minilm."""
APPLIED = """## Concepts and intents

Average precision; beside words, `mean` is `rocchio`. With one example first units do not count."""

GRID = (
    "lambda, units, weight", "concepts, 3", "concepts, 5", "judged, 2", "judged, 3", "judged, 5", "judged, 10",
    "intents, 5", "intents, 10",
)  # fmt: skip
CONCEPT = (
    "part",
    "items",
    "encoder",
    "examples",
    "mean",
    "ridge",
    "expanded",
    "expanded - mean",
    "expanded - ridge",
)
JUDGED = ("encoder", "examples", "queries", "ridge", "expanded", "expanded - ridge")


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", help="keep the indexes there")
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        publish(page(chosen.indexes or Path(temporary)), chosen.output)


if __name__ == "__main__":
    main()
