"""Checkpoints: any safetensors reader reads them, a killed writer leaves none, damage is told."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
safetensors = pytest.importorskip("safetensors.torch", reason="needs the extra 'train'")

from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning.centres.checkpoint import load, save  # noqa: E402
from tellapart.learning.centres.shard import Shard  # noqa: E402
from tellapart.learning.centres.workers import Workers  # noqa: E402

ALONE = Workers()


def test_the_library_itself_reads_what_we_write(tmp_path):
    shard = Shard.drawn(11, 4, ALONE, sub_centres=2)
    extra = {"encoder.safetensors": {"map": torch.eye(3)}, "run.json": "{}"}
    save(tmp_path / "step-1", shard, ALONE, extra)
    read = safetensors.load_file(tmp_path / "step-1" / "centres-00000-of-00001.safetensors")
    assert torch.equal(read["weight"], shard.weight)
    assert torch.equal(read["momentum"], shard.momentum)
    assert torch.equal(
        safetensors.load_file(tmp_path / "step-1" / "encoder.safetensors")["map"], torch.eye(3)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-1"]
    assert (tmp_path / "step-1" / "run.json").read_text() == "{}"


@pytest.mark.parametrize("momentum", [True, False])
@pytest.mark.parametrize("width", [1, 3])
def test_any_worker_finds_its_part(tmp_path, width, momentum):
    shard = Shard.drawn(11, 4, ALONE, sub_centres=width, momentum=momentum)
    if momentum:
        shard.momentum.copy_(shard.weight * 2)
    save(tmp_path / "all", shard, ALONE)
    for count in (1, 3, 13):
        for rank in range(count):
            part = load(tmp_path / "all", Workers(rank, count))
            rows = slice(part.first * width, (part.first + part.held) * width)
            assert torch.equal(part.weight, shard.weight[rows])
            assert (part.momentum is None) == (not momentum)
            if momentum:
                assert torch.equal(part.momentum, shard.momentum[rows])


def test_low_precision_centres_keep_their_bits(tmp_path):
    weight = torch.randn(5, 3).to(torch.bfloat16)
    save(tmp_path / "low", Shard(weight, None, 0, 5), ALONE)
    read = safetensors.load_file(tmp_path / "low" / "centres-00000-of-00001.safetensors")
    assert torch.equal(read["weight"], weight)


def test_what_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(TellapartError, match="holds no centres"):
        load(tmp_path, ALONE)
    save(tmp_path / "one", Shard.drawn(11, 4, ALONE), ALONE)
    path = tmp_path / "one" / "centres-00000-of-00001.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TellapartError, match="damaged"):
        load(tmp_path / "one", ALONE)
