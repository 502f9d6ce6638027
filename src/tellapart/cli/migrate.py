"""`tellapart migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.app import FAILED
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.experiments.migrating import Migration

EXAMPLES = (
    "tellapart migrate --to bge-small --index my.idx",
    "tellapart migrate --to bge-small --index my.idx --queries queries.jsonl --qrels qrels.tsv",
    "tellapart migrate --rollback --index my.idx      # the old encoder again, at once",
    "tellapart migrate --finish --index my.idx        # drop the vectors that are no longer used",
)


def migrate(
    path: options.PathIn = None,
    index: options.IndexFolder = None,
    to: Annotated[str | None, typer.Option("--to", metavar="ENCODER", help="Change to this encoder.")] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Use the old encoder again, with the verdict it had.")
    ] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Drop the vectors of the encoder that is no longer used.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Switch even if the comparison does not show that it is better.")
    ] = False,
    queries: options.Queries = None,
    qrels: options.Qrels = None,
    spans: options.Spans = None,
    split: options.Split = None,
    measure: Annotated[
        str | None, typer.Option("--measure", metavar="NAME", help="For example nDCG@10 (the default).")
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> int | None:
    """Change the encoder of an index: new vectors beside the old, both compared here, then one switch.

    Searches go on with the old encoder until the switch. It is made where the comparison says that the new one is
    better, or with --anyway. The old vectors stay until --finish or the next change. Exit code 1: not switched.
    """
    if sum((to is not None, rollback, finish)) != 1:
        raise TellapartError("give one of --to ENCODER, --rollback and --finish")
    opened = Index.open(options.whole_index(index, path))
    if to is None:
        _go_back(opened, json=json) if rollback else _finish(opened, json=json)
        return None
    from tellapart.experiments.measures import Measure
    from tellapart.experiments.migrating import migrate as changed
    from tellapart.experiments.query_files import read_query_set

    if queries is None and (qrels or spans or split):
        raise TellapartError("--qrels, --spans and --split judge queries: name them with --queries")
    judged = None if queries is None else read_query_set(opened, queries, qrels, spans, split)
    wanted = None if measure is None else Measure.parse(measure)
    done = changed(opened, to, judged, measure=wanted, anyway=anyway, seed=seed, progress=terminal_progress())
    _show(opened, done, json=json)
    return None if done.switched else FAILED


def _go_back(index: Index, *, json: bool) -> None:
    from tellapart.experiments.migrating import go_back

    change = go_back(index)
    if json:
        print_json({"schema": SCHEMA, "in_use": change.old, "unused": change.new})
    else:
        note(f"{index.place} uses {change.old} again; {change.new} stays until 'tellapart migrate --finish'")


def _finish(index: Index, *, json: bool) -> None:
    from tellapart.experiments.migrating import finish

    dropped = finish(index)
    if json:
        print_json({"schema": SCHEMA, "dropped": dropped})
    else:
        note(f"{index.place}: {dropped} is dropped" if dropped else f"{index.place}: nothing to drop")


def _show(index: Index, done: Migration, *, json: bool) -> None:
    if json:
        verdict = None if done.verdict is None else done.verdict.to_json()
        print_json(
            {
                "schema": SCHEMA,
                "from": done.old,
                "to": done.new,
                "switched": done.switched,
                "reason": done.reason,
                "dropped": done.dropped,
                "verdict": verdict,
            }
        )
        return
    if done.verdict is not None:
        from tellapart.cli.verdict_output import print_verdict

        print_verdict(done.verdict, everything=True)
    if done.dropped:
        note(f"{done.dropped}, of an earlier change, is dropped")
    if done.switched:
        note(
            f"{index.place} uses {done.new} from now on; 'tellapart migrate --rollback' goes back to {done.old},"
            " 'tellapart migrate --finish' drops its vectors"
        )
    else:
        why = "" if done.verdict is not None else f": {done.reason}"  # a verdict has been shown
        note(
            f"{done.old} stays in use{why}. The vectors of {done.new} stay beside:"
            " --anyway switches all the same, --finish drops them"
        )
