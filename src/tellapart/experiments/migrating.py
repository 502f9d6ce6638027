"""From one encoder to another: new vectors beside the old, both compared on this corpus, one switch, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tellapart.arguments import need
from tellapart.encoders.load import sees_images
from tellapart.engine import Index
from tellapart.engine.building import builder
from tellapart.engine.configuration import Configuration
from tellapart.engine.opened import folder_store
from tellapart.engine.records import VerdictRecord, corpus_state
from tellapart.engine.request import SearchRequest
from tellapart.errors import TellapartError
from tellapart.experiments.arms import Arm, Arms
from tellapart.experiments.costs import with_costs
from tellapart.experiments.deciding import decide
from tellapart.experiments.measures import Measure
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.running import run_texts
from tellapart.experiments.synthetic.generate import run_synthetic
from tellapart.experiments.verdict import Verdict
from tellapart.index.latent import LSA
from tellapart.index.migration import (
    EncoderChange,
    begin_change,
    encoder_change,
    encoder_in_use,
    finish_change,
    roll_back,
    switch_encoder,
)
from tellapart.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Migration:
    """A change from the encoder `old` to `new`: what was compared, and whether searches use the new one now.

    `verdict` is None where no query could be made. `dropped` is the encoder of an earlier change, finished by this one.
    """

    old: str
    new: str
    verdict: Verdict | None
    switched: bool
    reason: str
    dropped: str | None = None


def migrate(
    index: Index,
    to: str,
    queries: QuerySet | None = None,
    *,
    measure: Measure | None = None,
    anyway: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Migration:
    """Give an index another encoder: its vectors are made beside the old ones, and both are compared on this corpus.

    Searches use the old encoder throughout, until one generation switches. They switch where `decide` chooses the new
    one, or `anyway`. The old vectors stay, and are kept up to date, until `finish` or the next migration: `go_back`
    uses them again. Killed at any moment, the index uses either encoder whole, and the same call goes on.

    Args:
        index: An open index.
        to: Name of the new encoder.
        queries: Judged queries; None = synthetic ones.
        measure: None = nDCG@10.
        anyway: Switch whatever the comparison says.
        seed: Random seed.
        progress: Told of units and queries.

    Raises:
        TellapartError: There are no vectors to migrate from, the new encoder is in use already, or cannot be opened.
    """
    need(index, Index, "index", "an open tellapart.Index")
    need(to, str, "to", "the name of an encoder")
    used = _in_use(index)
    old = str(used.encoder)
    if to == old:
        raise TellapartError(f"{index.place} uses {to} already: name another encoder")
    if sees_images(to, home=index.folder.resolve().parent):
        raise TellapartError(f"{to} encodes images: it cannot take the place of {old}, an encoder of texts")
    if to not in index.settings.encoders and to != LSA:
        # before anything is dropped, so that a mistyped name changes nothing
        builder(index.folder, index.settings, objects=index.objects).load(to)
    dropped = _finish_earlier(index, old, to)
    begin_change(index.folder, old, to)
    if to not in index.settings.encoders or not _covers(index, to, used.granularities):
        index.add_encoder(to, progress=progress)
    if not _covers(index, to, used.granularities):
        raise TellapartError(
            f"{to} gives the {used.granularity} units of {index.place} no vectors: nothing changed"
        )
    verdict, rival = _compared(index, used, to, queries, measure, seed=seed, progress=progress)
    chosen = verdict is not None and verdict.choice == rival.name
    reason = "there are no queries to compare on" if verdict is None else verdict.reason
    if not (chosen or anyway):
        return Migration(old, to, verdict, switched=False, reason=reason, dropped=dropped)
    said = reason if chosen else f"asked for with migrate --anyway, where the comparison said: {reason}"
    switch_encoder(index.folder, to, _record(index, rival, said))
    return Migration(old, to, verdict, switched=True, reason=said, dropped=dropped)


def go_back(index: Index) -> EncoderChange:
    """Let searches use the encoder, and follow the verdict, that they did before `migrate`.

    Raises:
        TellapartError: There is nothing to go back to.
    """
    change = _change(index)
    if change is not None and not _covers(index, change.old, ()):
        raise TellapartError(
            f"{index.place} has no vectors of {change.old} any more: 'tellapart migrate --to' it"
        )
    return roll_back(index.folder)


def finish(index: Index) -> str | None:
    """Drop the encoder that a migration left unused, for good, and say which; None where it had been there before.

    Raises:
        TellapartError: There was no migration.
    """
    return finish_change(index.folder)


def _in_use(index: Index) -> Configuration:
    """What a search uses now; where that is words alone, what the default would be."""
    followed = index.plan().configuration
    if followed.encoder is not None:
        return followed
    with index.reading() as snapshot:
        default = index.planner(snapshot).default(SearchRequest()).configuration
    if default.encoder is None:
        raise TellapartError(
            f"{index.place} has no vectors to migrate from: add some with"
            f" 'tellapart index --encoder NAME --index {index.place}'"
        )
    return default


def _change(index: Index) -> EncoderChange | None:
    with index.reading():
        return encoder_change(folder_store(index.store))


def _finish_earlier(index: Index, old: str, to: str) -> str | None:
    """Finish an earlier change to or from another encoder; one between these two goes on."""
    earlier = _change(index)
    if earlier is None or {earlier.old, earlier.new} == {old, to}:
        return None
    with index.reading():
        if encoder_in_use(folder_store(index.store)) not in (earlier.old, earlier.new):
            return None
    return finish_change(index.folder)


def _covers(index: Index, name: str, levels: Sequence[str]) -> bool:
    with index.reading() as snapshot:
        kept = snapshot.encoders.get(name)
        return kept is not None and all(level in kept.granularities for level in levels)


def _compared(
    index: Index,
    used: Configuration,
    to: str,
    queries: QuerySet | None,
    measure: Measure | None,
    *,
    seed: int,
    progress: Progress,
) -> tuple[Verdict | None, Configuration]:
    """Ask both encoders the same queries, everything else as it is in use."""
    rival = replace(used, encoder=to)
    arms = Arms.of(Arm.fixed(used), Arm.fixed(used), [Arm.fixed(rival)])
    if queries is not None:
        experiment = run_texts(index, queries, arms, measure, progress)
    else:
        experiment = run_synthetic(index, arms, measure, seed=seed, progress=progress)
    if not experiment.queries:
        return None, rival
    experiment = with_costs(experiment, index, progress)
    return decide(experiment, seed=seed), rival


def _record(index: Index, configuration: Configuration, reason: str) -> str:
    with index.reading() as snapshot:
        fingerprint = snapshot.encoders[str(configuration.encoder)].fingerprint
        made = datetime.now(UTC).isoformat(timespec="seconds")
        state, generation = corpus_state(index.store), index.store.generation + 1
    return VerdictRecord(configuration, reason, state, fingerprint, made, generation).encode()
