"""Options that several verbs share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli.output import note
from tellapart.corpus.document import Granularity
from tellapart.index.home import Home, find_home
from tellapart.index.postgres.address import URL, Address
from tellapart.rankers.registry import EXAMPLE_RANKERS, RANKERS, SOLVERS

KEEP_ALIVE_SECONDS = 75
"""Idle time after which a server closes a connection: longer than clients keep theirs (httpx 5 seconds, aiohttp 15,
load balancers 60). Where both close at once, a request meets a closed connection and fails."""


def index_place(text: str) -> Path:
    """Read what --index names: a folder, or the address of a published index, kept whole."""
    return Address.packed(text) if URL.match(text) else Path(text)


def shown(argument: str) -> str:
    """Give an argument of the command line without the password of an address."""
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    address = Address.of(value)
    return argument if address is None else f"{option}{equals}{address}"


IndexFolder = Annotated[
    Path | None,
    typer.Option(
        "--index", metavar="DIR", help="Folder of the index [default: .tellapart in PATH or above it]."
    ),
]
IndexPlace = Annotated[
    Path | None,
    typer.Option(
        "--index",
        metavar="DIR",
        help="Folder of the index [default: .tellapart in PATH or above it], or postgresql://... of a published one.",
        parser=index_place,
    ),
]
PathIn = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PATH]", help="File or folder [default: the current folder].", show_default=False
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Index your home folder or / without asking.")]
Queries = Annotated[
    Path | None,
    typer.Option(
        "--queries", metavar="FILE", help="queries.jsonl, id<TAB>text, a BEIR folder or annotations."
    ),
]
Qrels = Annotated[
    Path | None,
    typer.Option("--qrels", metavar="FILE", help="Judgements of documents or units, BEIR or TREC."),
]
Spans = Annotated[
    Path | None,
    typer.Option("--spans", metavar="FILE", help="Judged passages: query-id, corpus-id, start, end."),
]
Split = Annotated[str | None, typer.Option("--split", help="Which judgements of a BEIR folder.")]
Seed = Annotated[int, typer.Option("--seed", help="Random seed.", min=0)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON (schema 1, see docs/json.md).")]
TopK = Annotated[int, typer.Option("-k", "--top-k", help="How many hits.")]
EXAMPLE = "a FILE, FILE:LINE, the id of a unit, or a folder (repeatable)."
Like = Annotated[
    list[str] | None,
    typer.Option("--like", metavar="EXAMPLE", help=f"Find units like this example: {EXAMPLE}"),
]
Unlike = Annotated[
    list[str] | None,
    typer.Option("--unlike", metavar="EXAMPLE", help=f"Find units unlike this counter-example: {EXAMPLE}"),
]
RANKER_NAMES = ("auto", *RANKERS)
Ranker = Annotated[
    str,
    typer.Option(
        "--ranker",
        metavar="NAME",
        help=f"{', '.join(RANKER_NAMES[:-1])} or {RANKER_NAMES[-1]}; with examples also {', '.join(EXAMPLE_RANKERS)}.",
        autocompletion=lambda: list(RANKER_NAMES),
    ),
]
GranularityName = Annotated[
    str | None,
    typer.Option(
        "--granularity",
        metavar="NAME",
        help="sentence, paragraph, section, document; function, class, file; image; several joined by '+'"
        " [default: paragraph+function].",
        autocompletion=lambda: [level.value for level in Granularity],
    ),
]
EncoderName = Annotated[
    str | None,
    typer.Option("--encoder", metavar="NAME", help="Which encoder's vectors to use [default: minilm]."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Only documents like this, e.g. \"language = 'python' and path like 'src/%'\" (repeatable).",
    ),
]
Lines = Annotated[
    int, typer.Option("--lines", help="Lines of text shown per hit; 0 shows places only.", min=0)
]
K1 = Annotated[float | None, typer.Option("--k1", help="BM25: term-frequency saturation.")]
B = Annotated[float | None, typer.Option("--b", help="BM25: length normalisation, 0 to 1.")]
Weight = Annotated[float | None, typer.Option("--weight", help="hybrid: share of the vectors, 0 to 1.")]
Regularisation = Annotated[
    float | None,
    typer.Option("--lambda", help="svm, ridge, expanded-ridge: regularisation, in mean eigenvalues."),
]
C = Annotated[
    float | None, typer.Option("--c", help="svm: regularisation as liblinear's C, instead of --lambda.")
]
Rerank = Annotated[
    str | None,
    typer.Option(
        "--rerank",
        metavar="NAME",
        help="Let a cross-encoder look again at the first hits: of 'tellapart models', onnx:FOLDER, or none.",
        show_default=False,
    ),
]
RerankMs = Annotated[
    float | None,
    typer.Option(
        "--rerank-ms", metavar="MS", help="Time for that, which says how many hits [default: 1000]."
    ),
]
Solver = Annotated[
    str | None,
    typer.Option(
        "--solver",
        metavar="NAME",
        help="svm: closed (squared error) or exact (squared hinge, certified) [default: closed].",
        autocompletion=lambda: list(SOLVERS),
    ),
]


def whole_index(index: Path | None, path: Path | None) -> Path:
    """Find the index of a path for a verb that works on all of it; says so where the path is only a part."""
    home: Home = find_home(index, path)
    if home.where:
        note(f"{home.place}: all of this index counts, not only {path or 'the current folder'}")
    return home.folder
