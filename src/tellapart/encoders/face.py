"""Encoders of faces (extra `faces`): `face`, which comes along, and `onnx:FILE`, a network of the user's own.

`face` is dlib's residual network of 29 layers (Davis King, public domain), trained on some three million faces, with
weights of 8 bits. Each face is shown to it in two cut-outs and the two vectors are averaged.

`onnx:FILE` runs a network as insightface exports them: one input (batch, 3, size, size) of float32 from -1 to 1 (or
uint8, taken as it is), red first; one output (batch, dim). Faces are aligned by their eyes. Mind the network's licence:
insightface's own weights are for non-commercial research only, and none come with this package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.encoders.digests import file_digest
from tellapart.encoders.faces import FOLDER, SHOWN, Face, Pixels, chip_by_eyes, chips, find_faces
from tellapart.encoders.images import ImageEncoder
from tellapart.encoders.protocol import OfImages, Vectors
from tellapart.encoders.rows import unit_rows
from tellapart.encoders.sessions import open_session, usable_cores
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

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


def open_onnx(file: str, *, threads: int | None = None) -> FaceEncoder:
    """Open a face network of the user's own.

    Raises:
        TellapartError: The file is missing, or no network of one square image.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise TellapartError(f"there is no file {path}: give the ONNX file of a face network, onnx:FILE")
    session = open_session(path, threads=threads or usable_cores())
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
