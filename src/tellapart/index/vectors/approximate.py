"""1-bit codes of the rows (RaBitQ, Gao & Long, SIGMOD 2024) that propose candidates from 30,000 rows on.

Two files of 56 bytes a row at d = 384: fast scan, which takes no filter, and plain codes, which do. Exact
scores come from the segments, so nothing else is stored. Codes cover a prefix of the segments; rows added
later are scanned exactly, rows deleted later are masked, and the next `index` run rebuilds beyond 10 %.

There is no inverted file beyond some millions of rows: on 400k anisotropic rows, IVF1024 visiting 128 lists
kept recall@10 at .95 for queries and .74-.93 for SVM directions, the flat codes 1.00 for both. Instead the
codes are cut into shards, which threads scan side by side. The random rotation matters: without it recall@10
of 200 candidates was .98-.99 on the same rows, with it 1.00, at no cost per query.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tellapart.errors import TellapartError
from tellapart.index.vectors.candidates import NOTHING, CandidateRows, Mask, Rows, strongest
from tellapart.index.vectors.derived import FORMAT, combined, fingerprint
from tellapart.index.vectors.scan import Untyped, each, faiss, search
from tellapart.index.vectors.segment import replace
from tellapart.index.vectors.stored import Floats, StoredRows, widen
from tellapart.progress import Progress, silent

# From here on one query is more than twice as fast as by the exact scan, at recall@10 >= .99: 1.7x at 20,000 rows, 3.7x
# at 35,000, 6x at 100,000 (one core, interleaved; `bench/knn_speed.py` prints both). Building takes 45 us a row.
CODED_ROWS = 30_000
# Rows dead or not covered, as a share of all, beyond which `build` starts anew.
STALE_SHARE = 0.10
# Rows per shard: threads share the work from here on; on one core two
# shards cost 3 % more than one (600k rows, interleaved), at 262k rows a shard 12 % (300k rows).
SHARD_ROWS = 524_288
_PREFIX = "codes-"
_KINDS = {"fast": "RR,RaBitQfs", "plain": "RR,RaBitQ"}


@dataclass(frozen=True, slots=True)
class _Description:
    """What a set of code files was built from; written last, as JSON, so that it names complete files."""

    token: str
    segments: tuple[str, ...]
    lengths: tuple[int, ...]
    shards: tuple[int, ...]
    sizes: tuple[int, ...]

    def file(self, folder: Path, name: str) -> Path:
        return folder / f"{_PREFIX}{self.token}.{name}"

    def files(self, folder: Path) -> list[Path]:
        """Every file of the set but the description, in the order of `sizes`."""
        shards = range(len(self.shards))
        return [self.file(folder, "rows.npy")] + [
            self.file(folder, f"{kind}{i}.faiss") for kind in _KINDS for i in shards
        ]

    @classmethod
    def read(cls, path: Path) -> _Description | None:
        """Read one, or None where the file or one that it names is missing, damaged or of another format."""
        try:
            content = json.loads(path.read_text())
            if content["format"] != FORMAT:
                return None
            self = cls(
                str(content["token"]),
                tuple(content["segments"]),
                tuple(content["lengths"]),
                tuple(content["shards"]),
                tuple(content["sizes"]),
            )
            sizes = tuple(file.stat().st_size for file in self.files(path.parent))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return self if sizes == self.sizes else None


class Codes:
    """Codes of the first `covered` rows, opened from a derived folder."""

    def __init__(self, folder: Path, description: _Description) -> None:
        self.covered = sum(description.lengths)
        self._folder = folder
        self._description = description
        self._rows: Rows = np.load(description.file(folder, "rows.npy"), mmap_mode="r", allow_pickle=False)
        self._starts = np.concatenate([[0], np.cumsum(description.shards)])
        self._loaded: dict[str, list[Untyped]] = {}

    @classmethod
    def find(cls, folder: Path | None, segments: Sequence[StoredRows]) -> Codes | None:
        """Open the codes that cover the longest prefix of these segments, or None where there are none."""
        if folder is None or not folder.is_dir():
            return None
        own = tuple(fingerprint(segment) for segment in segments)
        usable = [
            description
            for path in sorted(folder.glob(f"{_PREFIX}*.json"))
            if (description := _Description.read(path)) is not None
            and description.segments == own[: len(description.segments)]
        ]
        return cls(folder, max(usable, key=lambda d: sum(d.lengths))) if usable else None

    @property
    def bytes_read(self) -> int:
        """Bytes of the fast codes, which a search without a filter reads."""
        files = self._description.files(self._folder)
        sizes = zip(files, self._description.sizes, strict=True)
        return sum(size for file, size in sizes if ".fast" in file.name)

    def missing_share(self, mask: Mask | None) -> float:
        """Share of the coded rows that a mask (all rows) leaves out: deleted since, or not asked for."""
        if mask is None or len(self._rows) == 0:
            return 0.0
        return 1.0 - float(np.count_nonzero(mask[self._rows])) / len(self._rows)

    def candidates(self, query: Floats, depth: int, mask: Mask | None) -> CandidateRows:
        """Propose rows for one query (d,) where `mask` (all rows) is true.

        While it leaves out few, the fast codes answer, over-fetching; otherwise the plain codes with a bitmap, which
        cost three times as much.
        """
        missing = self.missing_share(mask)
        length = float(np.linalg.norm(query))
        unit = query / np.float32(length)
        if missing <= STALE_SHARE:
            rows, estimates, floor = self._search("fast", unit, int(depth / (1.0 - missing)) + 1, None)
            if mask is not None:
                kept = mask[rows]
                rows, estimates = rows[kept], estimates[kept]
        else:
            rows, estimates, floor = self._search("plain", unit, depth, mask)
        if len(rows) == 0 and floor == -np.inf:
            return NOTHING
        return CandidateRows(rows, estimates * np.float32(length), floor * length, None)

    def _search(self, kind: str, unit: Floats, depth: int, mask: Mask | None) -> tuple[Rows, Floats, float]:
        shards = self._indexes(kind)
        tasks = [(i, index, unit, depth, mask) for i, index in enumerate(shards)]
        answers = each(lambda task: self._search_shard(*task), tasks)
        floor = max((float(e[-1]) for r, e in answers if len(r) == depth), default=-np.inf)
        rows = np.concatenate([answer[0] for answer in answers])
        estimates = np.concatenate([answer[1] for answer in answers])
        rows, estimates, cut = strongest(rows, estimates, depth)
        return rows, estimates, max(floor, cut)

    def _search_shard(
        self, shard: int, index: Untyped, unit: Floats, depth: int, mask: Mask | None
    ) -> tuple[Rows, Floats]:
        rows = self._rows[self._starts[shard] : self._starts[shard + 1]]
        parameters = None
        if mask is not None:
            bits = np.packbits(mask[rows], bitorder="little")
            inner = faiss().RaBitQSearchParameters(sel=faiss().IDSelectorBitmap(bits), qb=8)
            parameters = faiss().SearchParametersPreTransform(index_params=inner)
        estimates, found = search(index, unit[None], min(depth, len(rows)), parameters)
        count = int(np.count_nonzero(found[0] >= 0))
        return np.asarray(rows[found[0, :count]], dtype=np.int64), estimates[0, :count]

    def _indexes(self, kind: str) -> list[Untyped]:
        if kind not in self._loaded:
            self._loaded[kind] = [
                faiss().read_index(
                    str(self._description.file(self._folder, f"{kind}{i}.faiss")), faiss().IO_FLAG_MMAP_IFC
                )
                for i in range(len(self._description.shards))
            ]
        return self._loaded[kind]


def needs_build(codes: Codes | None, total: int, alive: Mask | None) -> bool:
    """Say whether codes are missing, cover too little, or hold too many dead rows."""
    if codes is None:
        return True
    uncovered = (total - codes.covered) / max(total, 1)
    return uncovered > STALE_SHARE or codes.missing_share(alive) > STALE_SHARE


def build(
    folder: Path, segments: Sequence[StoredRows], alive: Mask | None, progress: Progress = silent
) -> None:
    """Write codes of all live rows of these segments.

    Raises:
        TellapartError: the folder cannot be written.
    """
    total = sum(len(segment) for segment in segments)
    rows = np.arange(total) if alive is None else np.flatnonzero(alive)
    own = tuple(fingerprint(segment) for segment in segments)
    token = combined([*own, rows.tobytes()])
    shards = tuple(min(SHARD_ROWS, len(rows) - start) for start in range(0, len(rows), SHARD_ROWS))
    description = _Description(token, own, tuple(len(segment) for segment in segments), shards, ())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace(description.file(folder, "rows.npy"), lambda file: np.save(file, rows))
        with progress("coding vectors", len(rows)) as advance:
            for i, part in enumerate(_live_parts(segments, rows)):
                _write_shard(folder, description, i, part)
                advance(len(part))
        _publish(folder, description)
    except OSError as error:
        raise TellapartError(
            f"cannot write the codes of vectors in {folder}: {error.strerror}; free space there"
        ) from error


def _live_parts(segments: Sequence[StoredRows], rows: Rows) -> Iterator[Floats]:
    for start in range(0, len(rows), SHARD_ROWS):
        wanted = rows[start : start + SHARD_ROWS]
        yield widen(np.asarray(take(segments, wanted)))


def take(segments: Sequence[StoredRows], rows: Rows) -> StoredRows:
    """Return these rows (n, d), wherever their segments lie, in the order asked for."""
    if len(segments) == 1:
        return np.asarray(segments[0][rows])
    starts = np.concatenate([[0], np.cumsum([len(segment) for segment in segments])])
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    cuts = np.searchsorted(ascending, starts)
    taken = np.empty((len(rows), segments[0].shape[1]), dtype=segments[0].dtype)
    for segment, start, first, last in zip(segments, starts, cuts, cuts[1:], strict=False):
        taken[order[first:last]] = segment[ascending[first:last] - start]
    return taken


def _write_shard(folder: Path, description: _Description, shard: int, part: Floats) -> None:
    for kind, factory in _KINDS.items():
        index = faiss().index_factory(part.shape[1], factory, faiss().METRIC_INNER_PRODUCT)
        index.train(part)
        index.add(part)
        content = faiss().serialize_index(index)
        replace(description.file(folder, f"{kind}{shard}.faiss"), lambda file, c=content: file.write(c))  # type: ignore[misc]


def _publish(folder: Path, description: _Description) -> None:
    sizes = [file.stat().st_size for file in description.files(folder)]
    content = {
        "format": FORMAT,
        "token": description.token,
        "segments": description.segments,
        "lengths": description.lengths,
        "shards": description.shards,
        "sizes": sizes,
    }
    replace(description.file(folder, "json"), lambda file: file.write(json.dumps(content).encode()))
    for stale in sorted(folder.glob(f"{_PREFIX}*")):
        if not stale.name.startswith(f"{_PREFIX}{description.token}."):
            stale.unlink(missing_ok=True)
