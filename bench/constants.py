"""What half and twice of each constant that moves a ranking do to it.

    TELLAPART_DATA=... python bench/constants.py --output docs/benchmarks/constants.md

Words: every judged query of the development sets. Examples: two judged documents of a query, the others to be found;
counter-examples are the first wrong hits of k-NN for its words. Vectors are those of `lsa`, which is fitted on the
corpus in seconds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from judged import MEASURE, data_folder, load, publish, table
from quality import Row, build
from svm_draws import Draw, by_query, example_draws, worth, worth_of_hits
from svm_methods import linear
from svm_sets import JUDGED, Collection, collection_of
from tellapart.engine import Index, asking, searching
from tellapart.experiments.measures import evaluate_run
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.statistics import compare, holm
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.hybrid import ReciprocalRankFusion
from tellapart.rankers.registry import Parameters
from tellapart.rankers.ridge import ExpandedRidge, Ridge
from tellapart.rankers.rocchio import Rocchio
from tellapart.rankers.svm import ClosedFormSVM
from tellapart.rankers.vectors import Direction

ENCODER = "lsa"
EXAMPLES = 2
SEED = 0
SEVERAL = "sentence+paragraph"
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """A value of a constant, as printed, and what is asked with it."""

    value: str
    parameters: Parameters = field(default_factory=Parameters)
    patch: Callable[[], AbstractContextManager[object]] = nullcontext
    direction: Direction | None = None


@dataclass(frozen=True)
class Constant:
    """A constant: the searches that it moves, its default, and half and twice of it."""

    name: str
    where: str
    searches: str
    default: Setting
    others: tuple[Setting, ...]
    ranker: str = ""
    granularity: str = "document"
    text: bool = True
    wrong: bool = False


def by_parameter(name: str, field: str, ranker: str, default: float, others: Sequence[float]) -> Constant:
    settings = [Setting(f"{value:g}", Parameters(**{field: value})) for value in (default, *others)]
    return Constant(name, "rankers/registry.py", f"words, {ranker}", settings[0], tuple(settings[1:]), ranker)


def by_patch(
    name: str, where: str, thing: object, attribute: str, others: Sequence[float], ranker: str, **more: str
) -> Constant:
    def setting(value: float) -> Setting:
        return Setting(f"{value:g}", patch=lambda: mock.patch.object(thing, attribute, value))

    default = getattr(thing, attribute)
    searches = more.pop("searches", f"words, {ranker}")
    made = Constant(name, where, searches, setting(default), tuple(map(setting, others)), ranker)
    return replace(made, **more)


def by_direction(
    name: str, make: Callable[[float], Direction], values: Sequence[float], *, text: bool, wrong: bool = False
) -> Constant:
    settings = [Setting(f"{value:g}", direction=make(value)) for value in values]
    searches = " and ".join(
        [*(["words"] if text else []), "examples", *(["counter-examples"] if wrong else [])]
    )
    where = "rankers/svm.py" if name.startswith("svm") else "rankers/ridge.py"
    where = "rankers/rocchio.py" if name.startswith("rocchio") else where
    return Constant(name, where, searches, settings[0], tuple(settings[1:]), text=text, wrong=wrong)


def constants() -> tuple[Constant, ...]:
    """Give all that is varied, the default first; shares keep within 0 and 1."""
    ranked = ReciprocalRankFusion
    return (
        by_parameter("BM25's k1", "k1", "bm25", 1.5, (0.75, 3.0)),
        by_parameter("BM25's b", "b", "bm25", 0.75, (0.375, 1.0)),
        by_parameter("weight of the vectors", "weight", "hybrid", 0.7, (0.35, 0.85)),
        by_parameter("svm's lambda", "regularisation", "svm", 10.0, (5.0, 20.0)),
        Constant(
            "rrf's constant",
            "rankers/hybrid.py",
            "words, rrf",
            Setting("60"),
            tuple(Setting(str(k), patch=lambda k=k: _constant(ranked, k)) for k in (30, 120)),  # type: ignore[misc]
            "rrf",
        ),
        by_patch(
            "LEAN",
            "engine/searching.py",
            searching,
            "LEAN",
            (5, 25, 100),
            "hybrid",
            granularity=SEVERAL,
            searches=f"words, hybrid, {SEVERAL}",
        ),
        by_patch(
            "WORDS_OF_EXAMPLES",
            "engine/asking.py",
            asking,
            "WORDS_OF_EXAMPLES",
            (32, 128),
            "hybrid",
            searches="examples, hybrid",
        ),
        by_direction("ridge's lambda", Ridge, (30.0, 15.0, 60.0), text=False),
        by_direction("ridge's beta", lambda v: Ridge(beta=v), (2.0, 1.0, 4.0), text=True),
        by_direction("ridge's gamma", lambda v: Ridge(gamma=v), (0.15, 0.075, 0.3), text=True, wrong=True),
        by_direction("svm's liked", lambda v: ClosedFormSVM(liked=v), (0.5, 0.25, 0.75), text=True),
        by_direction(
            "svm's unliked", lambda v: ClosedFormSVM(unliked=v), (0.25, 0.125, 0.5), text=True, wrong=True
        ),
        by_direction(
            "rocchio's gamma", lambda v: Rocchio(1, 0.75, v), (0.15, 0.075, 0.3), text=True, wrong=True
        ),
        by_direction("expanding units", lambda v: ExpandedRidge(units=int(v)), (10.0, 5.0, 20.0), text=False),
        by_direction("expanding weight", lambda v: ExpandedRidge(weight=v), (1.0, 0.5, 2.0), text=False),
    )


def _constant(ranked: type[ReciprocalRankFusion], k: int) -> AbstractContextManager[object]:
    made = ranked.__init__

    def changed(self: ReciprocalRankFusion, *args: object, **named: object) -> None:
        made(self, *args, **{**named, "constant": k})  # type: ignore[arg-type]

    return mock.patch.object(ranked, "__init__", changed)


@dataclass(frozen=True)
class Place:
    """A collection: its index, its judgements, and its vectors with the draws of examples."""

    name: str
    index: Index
    queries: Mapping[str, str]
    qrels: Qrels
    vectors: Collection
    flat: VectorIndex

    def values(self, constant: Constant, setting: Setting) -> Values:
        """NDCG@10 of each query; of examples, the mean of its draws."""
        if setting.direction is not None:
            draws = self.draws(wrong=constant.wrong)
            score = linear(setting.direction, text=constant.text, wrong=constant.wrong)
            reached = [
                worth(self.vectors, draw, own)
                for draw, own in zip(draws, score(self.vectors, self.flat, draws), strict=True)
            ]
            return by_query(draws, np.array(reached)) if draws else np.zeros(0)
        with setting.patch():
            if constant.searches.startswith("examples"):
                return self._by_words_of_examples(constant)
            run = self.index.run(
                self.queries,
                ranker=constant.ranker,
                granularity=constant.granularity,
                encoder=None if constant.ranker == "bm25" else ENCODER,
                parameters=setting.parameters,
            )
        return evaluate_run(run, self.qrels, [MEASURE]).values[MEASURE]

    def draws(self, *, wrong: bool) -> list[Draw]:
        """Examples of each query."""
        return example_draws(self.vectors, EXAMPLES, wrong=wrong, draws=1)

    def _by_words_of_examples(self, constant: Constant) -> Values:
        names, values = self.vectors.identifiers, []
        for draw in self.draws(wrong=False):
            like = [names[row] for row in draw.liked]
            hits = self.index.search(
                like=like, k=10, ranker=constant.ranker, granularity="document", encoder=ENCODER
            )
            values.append(worth_of_hits(self.vectors, draw, [hit.document for hit in hits]))
        return np.array(values)


def places(folder: Path, only: Sequence[str]) -> Iterator[Place]:
    for name, split in JUDGED:
        if only and name not in only:
            continue
        rows = [Row(name, name, split, level) for level in ("document", "paragraph", "sentence")]
        index = build(data_folder(), name, "corpus.jsonl", rows, folder, [ENCODER])
        judged = load(name, split)
        gold = {
            query: {document: grade for document, grade in judged.qrels.grades[query].items() if grade > 0}
            for query in judged.queries
        }
        vectors = collection_of(f"{name} {split}", "judged", index, ENCODER, judged.queries, gold)
        flat = VectorIndex([vectors.vectors.astype(np.float16)])
        yield Place(name, index, judged.queries, judged.qrels, vectors, flat)
        index.close()


def measured(folder: Path, only: Sequence[str]) -> dict[tuple[str, str], dict[str, Values]]:
    """Values per query by constant and value, and by collection."""
    found: dict[tuple[str, str], dict[str, Values]] = defaultdict(dict)
    for place in places(folder, only):
        for constant in constants():
            prose_only = (
                constant.granularity == SEVERAL and place.name == "cosqa"
            )  # its documents are functions
            for setting in () if prose_only else (constant.default, *constant.others):
                kept = folder / "values" / f"{place.name} {constant.name} {setting.value}.npy"
                if not kept.exists():
                    kept.parent.mkdir(exist_ok=True)
                    np.save(kept, place.values(constant, setting))
                values = np.load(kept)
                if len(values):
                    found[constant.name, setting.value][place.name] = values
            sys.stderr.write(f"{place.name}: {constant.name}\n")
    return found


def rows(found: Mapping[tuple[str, str], Mapping[str, Values]]) -> list[list[str]]:
    lines, ps = [], []
    for constant in constants():
        before = found[constant.name, constant.default.value]
        for setting in constant.others:
            after = found[constant.name, setting.value]
            own = {name: float((after[name] - before[name]).mean()) for name in before}
            worst = min(own, key=lambda name: own[name])
            best = max(own, key=lambda name: own[name])
            pooled = [np.concatenate([values[name] for name in before]) for values in (after, before)]
            versus = compare(*pooled, seed=SEED)
            ps.append(versus.p)
            lines.append(
                [
                    f"{constant.name} (`{constant.where}`)",
                    constant.searches,
                    str(len(pooled[0])),
                    f"{constant.default.value}: {pooled[1].mean():.3f}",
                    setting.value,
                    f"{versus.difference:+.4f} [{versus.low:+.4f}, {versus.high:+.4f}]",
                    f"{own[worst]:+.3f} {worst}",
                    f"{own[best]:+.3f} {best}",
                ]
            )
    for line, p in zip(lines, holm(ps), strict=True):
        line.insert(6, f"{p:.4f}" if p >= 0.00015 else "< .0002")
    return lines


HEAD = (
    "constant",
    "searches",
    "queries",
    "default: nDCG@10",
    "value",
    "difference [95 %]",
    "p (Holm)",
    "worst set",
    "best set",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="FOLDER")
    parser.add_argument("--indexes", type=Path, metavar="DIR", help="keep indexes and values there")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as own:
        found = measured(arguments.indexes or Path(own), arguments.only)
    command = " ".join(["python bench/constants.py", *(f"--only {name}" for name in arguments.only)])
    sets = ", ".join(" ".join(each) for each in JUDGED if not arguments.only or each[0] in arguments.only)
    text = (
        "# Half and twice of the constants that move a ranking\n\n"
        f"`{command}`\n\n"
        f"nDCG@10 by document on {sets}: the value in the column `value` less the default, paired by query over all"
        " sets together (bootstrap-t of 95 %, sign flips, Holm over this table), and the sets where the mean moves the"
        f" most. Vectors are those of `{ENCODER}`. Examples: {EXAMPLES} judged documents of each query that has more,"
        " the others to be found; counter-examples: the first 3 wrong hits of k-NN for its words. Shares are halved"
        f" towards 0 and 1. Where {SEVERAL} are searched together, cosqa is left out: it has functions only."
        " After this table the weight of the vectors of `lsa` alone was changed, on fourteen collections (verdict.md):"
        " .5 for prose, .1 for code. Other encoders keep .7 and .9.\n\n"
    )
    publish(text + table(HEAD, rows(found)), arguments.output)


if __name__ == "__main__":
    main()
