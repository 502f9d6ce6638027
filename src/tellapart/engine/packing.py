"""Filling a budget of tokens with the best pieces, so that they can be read, and counting the tokens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from tellapart.encoders.folder import MINILM_FOLDER
from tellapart.encoders.tokens import TokenizerFile
from tellapart.index.store import StoredDocument

TOKENIZER = "minilm"
"""The bundled tokenizer (30,522 word pieces, lower case) counts, since no other is there without a download. It
makes more tokens of a text than the larger vocabularies of language models do, so that a budget is rather
underspent; white space counts nothing in it."""

SPECIAL = 2
"""Start and end that the tokenizer adds to each text; a context has none."""


@cache
def _tokens() -> TokenizerFile:
    return TokenizerFile(MINILM_FOLDER / "tokenizer.json")


def count_tokens(text: str) -> int:
    """Tokens of a text, as the tokenizer named `TOKENIZER` counts them."""
    return int(_tokens().counts([text])[0]) - SPECIAL


def count_tokens_of(texts: Sequence[str]) -> list[int]:
    """Tokens of each of several texts, counted together."""
    return [int(count) - SPECIAL for count in _tokens().counts(texts)]


def cut_to_tokens(text: str, limit: int) -> str:
    """Give the longest beginning of whole lines that has at most `limit` tokens.

    A first line that is too long by itself is cut behind a token.
    """
    if limit <= 0:
        return ""
    encoding = _tokens().tokenizer.encode(text, add_special_tokens=False)
    if len(encoding.ids) <= limit:
        return text
    end = encoding.offsets[limit][0]
    line = text.rfind("\n", 0, end) + 1
    return text[: line or end]


HEADER = 14
"""Tokens that a passage's number and place are expected to take; the finished text is counted exactly."""

WHOLE = 120
"""A paragraph of so many tokens comes whole, so that it can be read; it finds as much as its best sentences alone
(docs/benchmarks/context_weights.md)."""

GAP = 60
"""A sentence of so many tokens between two that were taken is taken too; recall changes by less than .005."""

WORTH_CUTTING = 120
"""A piece that does not fit is cut only where so many tokens are left."""

ENOUGH = 0.95
"""Once so much of the budget is used, what does not fit ends the search."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence or function; `group` is the ordinal of its paragraph, `tokens` its size."""

    stored: StoredDocument
    ordinal: int
    group: int
    start: int
    end: int
    score: float
    tokens: int = 0

    @property
    def text(self) -> str:
        """What stands there."""
        return self.stored.document.text[self.start : self.end]


@dataclass(slots=True)
class PieceRun:
    """Pieces that follow each other in one document; `cut` is where the last one ends early."""

    pieces: list[Piece]
    cut: int | None = None

    @property
    def stored(self) -> StoredDocument:
        """The document they are from."""
        return self.pieces[0].stored

    @property
    def score(self) -> float:
        """That of the best piece."""
        return max(piece.score for piece in self.pieces)

    @property
    def span(self) -> tuple[int, int]:
        """Start and end without white space at both ends."""
        start, end = self.pieces[0].start, self.cut or self.pieces[-1].end
        body = self.stored.document.text[start:end]
        return start + len(body) - len(body.lstrip()), end - (len(body) - len(body.rstrip()))


@dataclass(slots=True)
class Packer:
    """What was taken so far, by document number and ordinal."""

    limit: int
    used: int = 0
    taken: dict[int, dict[int, Piece]] = field(default_factory=lambda: defaultdict(dict))
    cuts: dict[tuple[int, int], int] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)

    def fits(self, pieces: Sequence[Piece]) -> bool:
        """Whether there is room for pieces of one document."""
        return self.used + self.cost(pieces) <= self.limit

    def cost(self, pieces: Sequence[Piece]) -> int:
        """Tokens of pieces of one document, with the headers of the passages they begin or join."""
        have = self.taken[pieces[0].stored.number]
        new = {piece.ordinal for piece in pieces}
        around = {ordinal + shift for ordinal in new for shift in (0, 1)}
        begins = sum(
            1
            for each in around
            if (each in new or each in have) and each - 1 not in new and each - 1 not in have
        )
        began = sum(1 for each in around if each in have and each - 1 not in have)
        return sum(piece.tokens for piece in pieces) + HEADER * (begins - began)

    def take(self, pieces: Sequence[Piece]) -> None:
        """Use up what the pieces cost."""
        self.used += self.cost(pieces)
        for piece in pieces:
            self.taken[piece.stored.number][piece.ordinal] = piece
            self.texts.add(_plain(piece.text))

    def has(self, piece: Piece) -> bool:
        """Whether a piece, or a copy of it, is there."""
        return piece.ordinal in self.taken[piece.stored.number] or _plain(piece.text) in self.texts

    def runs(self) -> list[PieceRun]:
        """Join what follows each other; best first."""
        found: list[PieceRun] = []
        for number, pieces in self.taken.items():
            last = None
            for ordinal in sorted(pieces):
                if last is None or ordinal != last + 1:
                    found.append(PieceRun([]))
                found[-1].pieces.append(pieces[ordinal])
                found[-1].cut = self.cuts.get((number, ordinal))
                last = ordinal
        return sorted(found, key=lambda run: (-run.score, run.stored.document.id, run.pieces[0].start))


def pack(pieces: Iterable[Piece], limit: int) -> list[PieceRun]:
    """Take the best pieces until `limit` tokens are used; each text once.

    Greedy by score: what is taken is what would be read first, and a larger budget only adds to it.
    """
    ordered = sorted(pieces, key=lambda piece: (-piece.score, piece.stored.document.id, piece.start))
    groups: dict[tuple[int, int], list[Piece]] = defaultdict(list)
    for piece in ordered:
        groups[piece.stored.number, piece.group].append(piece)
    packer = Packer(limit)
    for piece in ordered:
        if packer.has(piece):
            continue
        group = groups[piece.stored.number, piece.group]
        wanted = group if sum(each.tokens for each in group) <= WHOLE else _with_gaps(piece, group, packer)
        wanted = [each for each in wanted if each.ordinal not in packer.taken[each.stored.number]]
        if packer.fits(wanted):
            packer.take(wanted)
        elif packer.fits([piece]):
            packer.take([piece])
        elif (
            limit - packer.used - HEADER >= min(WORTH_CUTTING, limit - HEADER)
            and piece.tokens > WORTH_CUTTING
        ):
            _take_beginning(piece, packer)
            break
        elif packer.used >= ENOUGH * limit:
            break
    return packer.runs()


def _with_gaps(piece: Piece, group: Sequence[Piece], packer: Packer) -> list[Piece]:
    """The piece, and a short one between it and one that was taken."""
    have = packer.taken[piece.stored.number]
    by_ordinal = {each.ordinal: each for each in group}
    wanted = [piece]
    for step in (-1, 1):
        between = by_ordinal.get(piece.ordinal + step)
        beyond = piece.ordinal + 2 * step
        if (
            between
            and between.ordinal not in have
            and beyond in have
            and beyond in by_ordinal
            and between.tokens <= GAP
        ):
            wanted.append(between)
    return wanted


def _take_beginning(piece: Piece, packer: Packer) -> None:
    shown = cut_to_tokens(piece.text, packer.limit - packer.used - HEADER)
    if shown.strip():
        packer.cuts[piece.stored.number, piece.ordinal] = piece.start + len(shown)
        packer.taken[piece.stored.number][piece.ordinal] = piece
        packer.used += HEADER + count_tokens(shown)


def _plain(text: str) -> str:
    return " ".join(text.split())
