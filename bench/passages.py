"""Passages for the lexical benchmarks: real text and code of this machine, recombined to any number.

The pool are pieces of about 33 words from the judged collections (under TELLAPART_DATA) and from the
Python standard library's own source. A passage is three neighbouring pieces (so some 100 words); when the
neighbours are used up, further passages take their three pieces from random places of one source, which
keeps every passage distinct and the frequencies of words as they are.
"""

from __future__ import annotations

import random
import sysconfig
from pathlib import Path

from judged import data_folder, records

SETS = ("scifact", "cranfield", "cisi", "med", "cacm", "wikiqa", "cosqa")
WORDS_PER_PIECE = 33
PIECES = 3


def passages(count: int, seed: int = 0) -> list[str]:
    """Give `count` distinct passages, the same for the same seed and machine."""
    sources = [source for source in (_judged(), _library()) if len(source) >= PIECES]
    chosen = [" ".join(s[i : i + PIECES]) for s in sources for i in range(0, len(s) - PIECES + 1, PIECES)]
    chosen = list(dict.fromkeys(chosen))
    dice = random.Random(seed)
    dice.shuffle(chosen)
    seen = set(chosen)
    sizes = [len(source) for source in sources]
    while len(chosen) < count:
        passage = " ".join(dice.sample(dice.choices(sources, sizes)[0], PIECES))
        if passage not in seen:
            seen.add(passage)
            chosen.append(passage)
    return chosen[:count]


def queries(texts: list[str], count: int, words: int = 9, seed: int = 1) -> list[str]:
    """Give `count` queries of about `words` words: a run of words out of a random passage."""
    dice = random.Random(seed)
    found = []
    while len(found) < count:
        split = [word for word in dice.choice(texts).split() if any(map(str.isalpha, word))]
        if len(split) >= words:
            start = dice.randrange(len(split) - words + 1)
            found.append(" ".join(split[start : start + words]))
    return found


def _judged() -> list[str]:
    pieces = []
    for name in SETS:
        for record in records(data_folder() / name / "corpus.jsonl"):
            pieces += _pieces(f"{record.get('title', '')}\n{record['text']}")
    return pieces


def _library() -> list[str]:
    pieces = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" not in path.parts:
            pieces += _pieces(path.read_text(encoding="utf-8", errors="replace"))
    return pieces


def _pieces(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[i : i + WORDS_PER_PIECE]) for i in range(0, len(words), WORDS_PER_PIECE)]
