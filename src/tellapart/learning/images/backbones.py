"""Networks by name: the small one and the whitening of this room, or any of timm's or torchvision's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tellapart.errors import TellapartError
from tellapart.learning.images.network import ConvNet
from tellapart.learning.images.whitening import WhitenedPixels

SMALL, WHITENED = "small", "whitened"
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, which pretrained networks expect (torchvision's documentation)."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What a network is made from; kept beside its weights, so that a later run can start from them.

    `backbone` is small, whitened (a closed form instead of steps), timm:NAME or torchvision:NAME; `even_light` and
    `width` are the small one's.
    """

    size: int
    channels: int
    dim: int
    backbone: str = SMALL
    width: int = 16
    dropout: float = 0.0
    even_light: bool = False
    pretrained: bool = False

    def record(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)

    def build(self, *, pretrained: bool | None = None) -> nn.Module:
        """Make the network: pixels (n, channels, size, size) of 0..1 to features (n, dim).

        Raises:
            TellapartError: There is no such network, the package is missing, or its weights cannot be had.
        """
        wanted = self.pretrained if pretrained is None else pretrained
        if self.backbone == WHITENED:
            return WhitenedPixels(size=self.size, channels=self.channels, dim=self.dim)
        if self.backbone == SMALL:
            if wanted:
                raise TellapartError(
                    "the small network has no pretrained weights: give --backbone timm:NAME or --start"
                )
            return ConvNet(
                size=self.size,
                channels=self.channels,
                dim=self.dim,
                width=self.width,
                dropout=self.dropout,
                even_light=self.even_light,
            )
        if self.even_light:
            raise TellapartError("--even-light belongs to the small network")
        family, _, name = self.backbone.partition(":")
        makers = {"timm": _timm, "torchvision": _torchvision}
        if family not in makers or not name:
            raise TellapartError(
                f"unknown backbone {self.backbone!r}: give small, whitened, timm:NAME or torchvision:NAME"
            )
        try:
            body = makers[family](name, pretrained=wanted)
        except ImportError as missing:
            raise TellapartError(
                f"--backbone {self.backbone} needs the package {family!r}: pip install {family}"
            ) from missing
        except TellapartError:
            raise
        except Exception as error:  # unknown names and failed downloads have many classes
            raise TellapartError(f"{self.backbone}: {str(error).splitlines()[0]}") from error
        return Headed(body, size=self.size, dim=self.dim, dropout=self.dropout)


class Headed(nn.Module):
    """A body that takes normalised colour images and gives features, and a linear layer to `dim`, batch norm."""

    def __init__(self, body: nn.Module, *, size: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.body = body.eval()
        with torch.no_grad():
            width = body(torch.zeros(1, 3, size, size)).flatten(1).shape[1]
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("spread", torch.tensor(SPREAD).view(1, 3, 1, 1))
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(width, dim, bias=False)
        self.project_norm = nn.BatchNorm1d(dim, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        """Give features (n, dim); grey images (n, 1, h, w) count as colour."""
        images = images.expand(-1, 3, -1, -1)
        found = self.body((images - self.mean) / self.spread).flatten(1)
        features: Tensor = self.project_norm(self.project(self.dropout(found)))
        return features


def _timm(name: str, *, pretrained: bool) -> nn.Module:
    import timm

    made: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0)
    return made


def _torchvision(name: str, *, pretrained: bool) -> nn.Module:
    import torchvision

    made: nn.Module = torchvision.models.get_model(name, weights="DEFAULT" if pretrained else None)
    for head in ("fc", "classifier", "heads", "head"):
        if hasattr(made, head):
            setattr(made, head, nn.Identity())
            return made
    raise TellapartError(f"torchvision:{name} has no head to replace: use timm:NAME")
