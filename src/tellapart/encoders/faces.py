"""Encoders of faces (extra `faces`): dlib's detector and predictor of five landmarks, and two kinds of networks.

A face network is worth little without this: on att_faces the network that comes with the encoder `face` accepts .55
of the genuine pairs at a false-accept rate of 1e-2 when it is shown whole pictures, and .99 with aligned faces
(docs/benchmarks/identity_faces.md).

`face` is dlib's residual network of 29 layers (Davis King, public domain), trained on some three million faces, with
weights of 8 bits. Each face is shown to it in two cut-outs and the two vectors are averaged.

`onnx:FILE` runs a network as insightface exports them: one input (batch, 3, size, size) of float32 from -1 to 1 (or
uint8, taken as it is), red first; one output (batch, dim). Faces are aligned by their eyes. Mind the network's licence:
insightface's own weights are for non-commercial research only, and none come with this package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.encoders.config import file_digest
from tellapart.encoders.images import ImageEncoder, scaled
from tellapart.encoders.protocol import OfImages, Vectors, unit_rows
from tellapart.encoders.sessions import open_session, usable_cores
from tellapart.errors import TellapartError, require
from tellapart.progress import Progress, silent

Pixels = NDArray[np.uint8]

FOLDER = Path(__file__).parent / "data" / "face"
"""Made by tools/build_face.py."""

POINTS = FOLDER / "shape_predictor_5_face_landmarks.dat"

SHOWN = 1024
"""Longest edge of the picture shown to the detector at first. Not measured: half misses smaller
faces, twice takes four times as long."""

SHOWN_AGAIN = 2048
"""And a second time, where nothing was found: faces of half the size."""

ENLARGED = 224
"""A picture whose shorter edge is less is enlarged to it: pictures of att_faces are 46 pixels wide.
Not measured at half or twice."""

TINY = 32
"""Edge of a face in pixels below which it is called tiny: the median of att_faces is 37. It
decides what a person is told, not what is found."""

FULL_SIZE = 80
"""From this edge on a face's size costs no quality: the detector's own window."""

SHARP = 0.10
"""Sharpness from which on it costs no quality; the median of att_faces is .115.
Not measured at half or twice."""

BLURRED = 0.03
"""Sharpness below which a face is called blurred: att_faces blurred by 1.5 pixels have a median of .026."""

SHARPNESS_EDGE = 48
"""Pixels to a side at which sharpness is looked at: what remains of a face of att_faces, so that
a large picture is not called sharp for its size."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face in a picture.

    `box` is left, top, right, bottom in pixels of the picture; `points` (5, 2) the landmarks there: outer and inner
    corner of the eye on the right, of the eye on the left, below the nose; `edge` the shorter side of the box,
    `sharpness` the share of the contrast that lies between neighbouring pixels, `quality` 0 to 1.
    """

    box: tuple[int, int, int, int]
    points: NDArray[np.float64]
    confidence: float
    edge: int
    sharpness: float

    @property
    def quality(self) -> float:
        """How much this view may count: 1, or less where the face is small or blurred."""
        return min(1.0, self.edge / FULL_SIZE) * min(1.0, self.sharpness / SHARP)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What is wrong with it, in words."""
        found = []
        if self.edge < TINY:
            found.append(f"tiny ({self.edge} pixels; {FULL_SIZE} are good)")
        if self.sharpness < BLURRED:
            found.append("blurred")
        return tuple(found)


def find_faces(picture: Pixels) -> list[Face]:
    """Find all faces in a picture (height, width[, 3]) uint8, the largest first.

    Small pictures are enlarged and large ones shown reduced; where nothing is found they are shown once more, larger.
    """
    picture = _rgb(picture)
    height, width = picture.shape[:2]
    longest, shortest = max(height, width), min(height, width)
    first = max(min(1.0, SHOWN / longest), ENLARGED / shortest)
    again = min(2 * first, max(1.0, SHOWN_AGAIN / longest))
    for scale in sorted({first, max(first, again)}):
        if scale * longest > 2 * SHOWN_AGAIN:
            raise TellapartError(
                f"a picture of {width} x {height} pixels is too narrow a strip to look for faces in: cut it"
            )
        shown = _resized(picture, round(height * scale), round(width * scale))
        boxes, scores, _ = _detector().run(shown, 0, 0.0)
        if boxes:
            found = [
                _face(picture, shown, scale, box, score) for box, score in zip(boxes, scores, strict=True)
            ]
            return sorted(found, key=lambda face: (-face.edge, face.box))
    return []


def _face(picture: Pixels, shown: Pixels, scale: float, box: Any, score: float) -> Face:  # noqa: ANN401
    shape = _predictor()(shown, box)
    points = np.array([(point.x, point.y) for point in shape.parts()]) / scale
    height, width = picture.shape[:2]
    sides = np.array([box.left(), box.top(), box.right() + 1, box.bottom() + 1]) / scale
    left, top, right, bottom = np.clip(np.rint(sides), 0, [width, height, width, height]).astype(int).tolist()
    edge = min(right - left, bottom - top)
    return Face(
        (left, top, right, bottom), points, float(score), edge, _sharpness(picture[top:bottom, left:right])
    )


def _sharpness(region: Pixels) -> float:
    """Spread of the differences to the four neighbours over the spread of the grey levels."""
    if min(region.shape[:2]) < 8:
        return 0.0
    grey = scaled(region, size=SHARPNESS_EDGE, channels=1)[:, :, 0].astype(np.float64)
    inner = grey[1:-1, 1:-1]
    around = (grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]) / 4
    spread = float(grey.std())
    return 0.0 if spread < 1 else float((inner - around).std()) / spread


def chips(picture: Pixels, face: Face, *, size: int, paddings: Sequence[float]) -> list[Pixels]:
    """Cut a face out upright, (size, size, 3) each, as dlib does, with so much of it beside the face."""
    dlib = require("dlib", extra="faces")
    image, scale = _near(_rgb(picture), face, size)
    points = dlib.points([dlib.point(*map(round, each)) for each in face.points * scale])
    box = dlib.rectangle(*(round(side * scale) for side in face.box))
    shape = dlib.full_object_detection(box, points)
    return [dlib.get_face_chip(image, shape, size=size, padding=padding) for padding in paddings]


ARCFACE_EYES = np.array([[38.2946, 51.6963], [73.5318, 51.5014]]) / 112
"""Where the middle of the left and of the right eye of the picture lie in a face aligned for ArcFace (insightface)."""


def chip_by_eyes(picture: Pixels, face: Face, *, size: int) -> Pixels:
    """Cut a face out (size, size, 3) with both eyes where networks trained with ArcFace expect them."""
    require("PIL", extra="faces")
    from PIL import Image

    image, scale = _near(_rgb(picture), face, size)
    eyes = np.stack([face.points[2:4].mean(axis=0), face.points[0:2].mean(axis=0)]) * scale
    eyes = eyes[np.argsort(eyes[:, 0])]
    goal = ARCFACE_EYES * size
    # a similarity is one complex factor and one shift: from the chip back into the picture
    there, here = (points[:, 0] + 1j * points[:, 1] for points in (eyes, goal))
    factor = (there[1] - there[0]) / (here[1] - here[0])
    shift = there[0] - factor * here[0]
    rows = (factor.real, -factor.imag, shift.real, factor.imag, factor.real, shift.imag)
    cut = Image.fromarray(image).transform(
        (size, size), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR
    )
    return np.asarray(cut, dtype=np.uint8)


def _near(picture: Pixels, face: Face, size: int) -> tuple[Pixels, float]:
    """Bring the face to about its chip's size: cutting out does not average, and dlib's landmarks are whole pixels."""
    scale = min(size / max(face.edge, 1), max(1.0, SHOWN_AGAIN / max(picture.shape[:2])))
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return _resized(picture, height, width), scale


def _resized(picture: Pixels, height: int, width: int) -> Pixels:
    if picture.shape[:2] == (height, width):
        return picture
    require("PIL", extra="faces")
    from PIL import Image

    return np.asarray(
        Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC), dtype=np.uint8
    )


def _rgb(picture: Pixels) -> Pixels:
    pixels = np.asarray(picture)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or pixels.dtype != np.uint8:
        raise TellapartError(
            f"a picture has shape {np.shape(picture)} and type {pixels.dtype}: give (height, width[, 3]) uint8"
        )
    return np.ascontiguousarray(pixels[:, :, :3])


@cache
def _detector() -> Any:  # noqa: ANN401
    return require("dlib", extra="faces").get_frontal_face_detector()


@cache
def _predictor() -> Any:  # noqa: ANN401
    return require("dlib", extra="faces").shape_predictor(str(POINTS))


NAME = "face"
PADDINGS = (0.2, 0.25)
"""Shares of a face around it in its cut-outs. dlib trained with .25. The second was chosen on att_faces, which
is therefore development data (docs/benchmarks/identity_faces.md)."""

Embed = Callable[[Pixels, Sequence[Face]], NDArray[np.float32]]


class FaceEncoder(OfImages):
    """Finds the faces of a picture and gives a vector for each."""

    channels = 3
    size = SHOWN
    whole = True

    def __init__(self, name: str, dim: int, fingerprint: str, embed: Embed) -> None:
        self.name, self.dim, self.fingerprint = name, dim, fingerprint
        self._embed = embed

    def faces(self, picture: Pixels) -> tuple[list[Face], Vectors]:
        """Give all faces of a picture, the largest first, and their vectors (faces, dim) of unit length."""
        found = find_faces(picture)
        if not found:
            return [], np.zeros((0, self.dim), dtype=np.float32)
        return found, unit_rows(self._embed(picture, found), encoder=self.name)

    def encode_images(
        self, images: Sequence[ArrayLike] | NDArray[np.uint8], *, progress: Progress = silent
    ) -> Vectors:
        """Encode the largest face of each picture: (n, dim), unit rows; zeros for a picture without a face."""
        vectors = np.zeros((len(images), self.dim), dtype=np.float32)
        with progress(f"encoding with {self.name}", len(images)) as advance:
            for row, image in enumerate(images):
                picture = np.asarray(image)
                if found := find_faces(picture)[:1]:
                    vectors[row] = unit_rows(self._embed(picture, found), encoder=self.name)[0]
                advance(1)
        return vectors


def open_face(*, threads: int | None = None) -> FaceEncoder:
    """Open the encoder that comes along."""
    network = ImageEncoder(FOLDER, name=NAME, threads=threads)

    def embed(picture: Pixels, faces: Sequence[Face]) -> NDArray[np.float32]:
        cut = [chips(picture, face, size=network.size, paddings=PADDINGS) for face in faces]
        views = network.encode_images([chip for of_face in cut for chip in of_face])
        return np.asarray(
            views.reshape(len(faces), len(PADDINGS), network.dim).mean(axis=1), dtype=np.float32
        )

    hashed = hashlib.blake2b(network.fingerprint.encode(), digest_size=16)
    hashed.update(repr(PADDINGS).encode())
    return FaceEncoder(NAME, network.dim, hashed.hexdigest(), embed)


def open_onnx(file: str) -> FaceEncoder:
    """Open a face network of the user's own.

    Raises:
        TellapartError: The file is missing, or no network of one square image.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise TellapartError(f"there is no file {path}: give the ONNX file of a face network, onnx:FILE")
    session = open_session(path, threads=usable_cores())
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape
    if (
        len(inputs) != 1
        or len(shape) != 4
        or shape[1] != 3
        or shape[2] != shape[3]
        or not isinstance(shape[2], int)
    ):
        raise TellapartError(
            f"{path} takes {[(each.name, each.shape) for each in inputs]}: a face network takes one input"
            " (batch, 3, size, size)"
        )
    size, name, raw = shape[2], inputs[0].name, inputs[0].type == "tensor(uint8)"
    one_by_one = shape[0] == 1

    def embed(picture: Pixels, faces: Sequence[Face]) -> NDArray[np.float32]:
        cut = np.stack([chip_by_eyes(picture, face, size=size) for face in faces]).transpose(0, 3, 1, 2)
        shown = cut if raw else ((cut.astype(np.float32) - 127.5) / 127.5)
        parts = [shown[row : row + 1] for row in range(len(shown))] if one_by_one else [shown]
        return np.concatenate([session.run([outputs[0].name], {name: part})[0] for part in parts])

    found = session.run(
        [outputs[0].name], {name: np.zeros((1, 3, size, size), np.uint8 if raw else np.float32)}
    )[0]
    if found.ndim != 2:
        raise TellapartError(
            f"{path} gives an array of shape {found.shape}: a face network gives (batch, dim)"
        )
    fingerprint = hashlib.blake2b(file_digest(path), digest_size=16).hexdigest()
    return FaceEncoder(f"onnx:{file}", found.shape[1], fingerprint, embed)
