"""Writing a trained network as an encoder's folder: an ONNX graph by torch.onnx, checked against torch."""

from __future__ import annotations

import copy
import io
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tellapart.encoders.config import write_config
from tellapart.encoders.images import ImageConfig, ImageEncoder
from tellapart.encoders.protocol import unit_rows
from tellapart.errors import TellapartError, require

OPSET = 17
CLOSE = 1e-4
"""Most that a coordinate may differ between torch and onnxruntime, both float32."""

PROBES = 4


class _FromBytes(nn.Module):
    """The network with what turns uint8 images (n, c, h, w) into pixels of 0..1 before it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.network(images.float() / 255)
        return features


def export_encoder(network: nn.Module, folder: Path, name: str, *, size: int, channels: int) -> ImageEncoder:
    """Write config.json and model.onnx, and open them again.

    Args:
        network: Pixels (n, channels, size, size) of 0..1 to features (n, dim), on any device; it is left as it is.
        folder: Of the encoder.
        name: Of the encoder.
        size: Edge of the images in pixels.
        channels: 1 or 3.

    Raises:
        TellapartError: torch cannot write the network as ONNX, or what was written does not give its vectors.
    """
    require("onnx", extra="train")
    plain = _FromBytes(copy.deepcopy(network).cpu().float().eval())
    shape = (PROBES, size, size, channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        features = plain(given).numpy()
    if features.ndim != 2:
        raise TellapartError(
            f"the network gives {features.shape} for {PROBES} images: it must give ({PROBES}, dim)"
        )
    folder.mkdir(parents=True, exist_ok=True)
    config = ImageConfig(name=name, dim=features.shape[1], size=size, channels=channels)
    (folder / config.model).write_bytes(_graph(plain, given))
    write_config(config, folder)
    encoder = ImageEncoder(folder)
    off = float(np.abs(encoder.encode_images(images) - unit_rows(features, encoder=encoder.name)).max())
    if off > CLOSE:
        raise TellapartError(
            f"the graph written to {encoder.folder} is off by {off:.1e} from the trained network: train again with"
            " other versions of torch or onnxruntime, and report this"
        )
    return encoder


def _graph(network: nn.Module, images: Tensor) -> bytes:
    content = io.BytesIO()
    batch = {0: "batch"}
    try:
        with warnings.catch_warnings(), torch.no_grad(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # the exporter that needs no further package is called an old one
            torch.onnx.export(
                network,
                (images,),
                content,
                input_names=["images"],
                output_names=["vectors"],
                dynamic_axes={"images": batch, "vectors": batch},
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # the exporter raises whatever an operation makes it raise
        raise TellapartError(
            f"torch cannot write this network as ONNX: {str(error).splitlines()[0]}"
        ) from error
    return content.getvalue()
