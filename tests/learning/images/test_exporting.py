from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("onnx", reason="needs the extra train")

from tellapart.encoders.load import load_encoder  # noqa: E402
from tellapart.encoders.protocol import unit_rows  # noqa: E402
from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning.images.backbones import ConvNet  # noqa: E402
from tellapart.learning.images.exporting import export_encoder  # noqa: E402


def trained_looking(size: int, channels: int) -> ConvNet:
    """Give a network whose statistics and gains are not those it starts with."""
    torch.manual_seed(0)
    network = ConvNet(size=size, channels=channels, dim=12, width=4, dropout=0.5)
    network.train()
    for _ in range(3):
        network(torch.rand(8, channels, size, size))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (35, 3), (112, 3)])
def test_the_folder_gives_the_networks_vectors_without_torch(tmp_path, size, channels):
    network = trained_looking(size, channels)
    export_encoder(network, tmp_path / "encoder", "glyphs", size=size, channels=channels)
    encoder = load_encoder(f"folder:{tmp_path / 'encoder'}")
    images = np.random.default_rng(1).integers(0, 256, (5, size, size, channels), dtype=np.uint8)
    with torch.inference_mode():
        features = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).numpy()
    np.testing.assert_allclose(encoder.encode_images(images), unit_rows(features, encoder="x"), atol=1e-5)
    assert encoder.dim == 12


def test_images_of_other_sizes_are_scaled_and_texts_refused(tmp_path):
    encoder = export_encoder(trained_looking(16, 1), tmp_path / "e", "glyphs", size=16, channels=1)
    random = np.random.default_rng(2)
    mixed = [random.integers(0, 256, shape, dtype=np.uint8) for shape in ((16, 16), (40, 30, 3), (9, 9, 1))]
    assert encoder.encode_images(mixed).shape == (3, 12)
    assert encoder.encode_images([]).shape == (0, 12)
    for call in (encoder.encode_query, encoder.encode_document, encoder.count_tokens):
        with pytest.raises(TellapartError, match="images, not texts"):
            call(["a"])


def test_other_weights_have_another_fingerprint(tmp_path):
    first = export_encoder(trained_looking(16, 1), tmp_path / "a", "same name", size=16, channels=1)
    again = export_encoder(trained_looking(16, 1), tmp_path / "b", "other name", size=16, channels=1)
    assert first.fingerprint == again.fingerprint
    network = trained_looking(16, 1)
    with torch.no_grad():
        network.stem.weight[0, 0, 0, 0] += 0.5
    assert (
        export_encoder(network, tmp_path / "c", "same name", size=16, channels=1).fingerprint
        != first.fingerprint
    )


@pytest.mark.parametrize(("change", "words"), [({"channels": 2}, "channels 2"), ({"size": 0}, "size 0")])
def test_a_wrong_config_is_one_line(tmp_path, change, words):
    export_encoder(trained_looking(16, 1), tmp_path, "glyphs", size=16, channels=1)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(TellapartError, match=words):
        load_encoder(f"folder:{tmp_path}")


def test_using_an_encoder_imports_no_torch(tmp_path):
    export_encoder(trained_looking(16, 1), tmp_path, "glyphs", size=16, channels=1)
    code = (
        "import sys, numpy as np; from tellapart import load_encoder;"
        f"load_encoder('folder:{tmp_path}').encode_images(np.zeros((2, 16, 16), np.uint8));"
        "assert 'torch' not in sys.modules and 'onnx' not in sys.modules and 'PIL' not in sys.modules"
    )
    source = Path(__file__).parents[3] / "src"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(source)})


def test_any_module_is_exported_and_what_cannot_be_is_said(tmp_path):
    body = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 6))
    assert export_encoder(body, tmp_path / "own", "own", size=20, channels=1).dim == 6

    class Strange(torch.nn.Module):
        def forward(self, images):
            return torch.linalg.eigvals(images[:, 0]).real

    with pytest.raises(TellapartError, match="cannot write this network as ONNX"):
        export_encoder(Strange(), tmp_path / "strange", "strange", size=8, channels=1)
    with pytest.raises(TellapartError, match="it must give"):
        export_encoder(torch.nn.Identity(), tmp_path / "flat", "flat", size=8, channels=1)


def test_even_light_forgets_how_bright_an_image_is_and_is_exported(tmp_path):
    torch.manual_seed(0)
    network = ConvNet(size=16, channels=1, dim=8, width=4, even_light=True).eval()
    images = 0.2 + 0.3 * torch.rand(3, 1, 16, 16)
    with torch.no_grad():
        found = torch.nn.functional.cosine_similarity(network(images), network(1.6 * images))
    assert found.min() > 0.98
    export_encoder(network, tmp_path / "e", "faces", size=16, channels=1)
