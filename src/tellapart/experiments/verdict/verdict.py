"""What an evaluation concludes, as plain values: a finding per configuration, and the verdict over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tellapart.engine.configuration import Configuration


def described(name: str, configuration: Configuration) -> str:
    """Give a finding's name with the parameters that were chosen: `minilm/paragraph/hybrid (weight 0.5)`."""
    given = ", ".join(f"{key} {value:g}" for key, value in configuration.parameters.given().items())
    return f"{configuration.name} ({given})" if given else name


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference of means with its interval; `p` is Holm-corrected over the grid."""

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What a configuration costs on this machine.

    `index_seconds` to encode its units (None: not known, 0: no vectors), `query_ms` for one query, `bytes` of
    the vectors and postings it reads.
    """

    index_seconds: float | None
    query_ms: float
    bytes: int


@dataclass(frozen=True, slots=True)
class LengthBin:
    """Mean quality over the queries whose gold is a unit of `shortest` to `longest` characters."""

    shortest: int
    longest: int
    queries: int
    mean: float


@dataclass(frozen=True, slots=True)
class SourceFinding:
    """What the queries of one source show: mean value by finding, and the words they share with their answer.

    `overlap` is the mean share of a query's terms that stand in the unit it asks for (None for judged queries):
    where it is high, the source favours rankers by words.
    """

    name: str
    queries: int
    overlap: float | None
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """One configuration measured.

    `name` is the configuration's own, with ` tuned` behind it where its parameters were chosen here:
    `per_query` then holds cross-fitted values (each query scored with what the other folds chose), and the
    configuration the parameters chosen on all queries. `low` and `high` bound the mean. `vs_bm25` and
    `vs_default` are None for the reference and the default themselves. `tied_with_best` = not separated from
    the best mean after Holm; `non_inferior` = at most .01 below it at 95 %. `span_recall` is the mean share of
    the gold passages read within 1,000 tokens, `per_query_spans` its values; None and empty without passages.
    """

    name: str
    configuration: Configuration
    mean: float
    low: float
    high: float
    vs_bm25: Difference | None
    vs_default: Difference | None
    tied_with_best: bool
    non_inferior: bool
    per_query: Mapping[str, float]
    cost: Cost
    span_recall: float | None = None
    per_query_spans: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    lengths: tuple[LengthBin, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which configuration to use, and on what evidence.

    `queries` are the ids that count, in order; `independent` how many `clusters` they form. `source` is
    `judged` or `generated`, `sources` what the queries were made from. `corpus` is a fingerprint of the
    documents, `corpus_sketch` says how alike another corpus is. `choice`, `default` and `reference` name
    findings; `kept_default` says that the choice is the default. `optimism` is how much the best mean
    overstates what choosing it brings on new queries; `transfer_error` how far generated queries may mislead
    about human ones (None for judged). `detectable_difference` is what these queries would show between the
    default and its closest rival in 80 % of trials, `needed_for_half` how many independent queries half of that would
    take. `reason` is one sentence, `notes` what else a reader must know.
    """

    measure: str
    source: str
    sources: tuple[str, ...]
    corpus: str
    corpus_sketch: tuple[int, ...]
    queries: tuple[str, ...]
    independent: int
    findings: tuple[Finding, ...]
    choice: str
    default: str
    reference: str
    kept_default: bool
    optimism: float
    transfer_error: float | None
    detectable_difference: float
    needed_for_half: int
    reason: str
    notes: tuple[str, ...] = ()
    by_source: tuple[SourceFinding, ...] = ()
    clusters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def finding(self, name: str) -> Finding:
        """Give the finding of a configuration by its name here."""
        return next(finding for finding in self.findings if finding.name == name)

    @property
    def chosen(self) -> Finding:
        """The finding of the choice."""
        return self.finding(self.choice)

    @property
    def best(self) -> Finding:
        """The finding with the highest mean; the first of equals."""
        return max(self.findings, key=lambda finding: finding.mean)
