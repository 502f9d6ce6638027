from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("safetensors", reason="needs the extra train")

from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning.training.checkpoints import read_checkpoint  # noqa: E402
from tellapart.learning.training.feeding import SampleFeed  # noqa: E402
from tellapart.learning.training.objectives import make_objective, strength  # noqa: E402
from tellapart.learning.training.options import (  # noqa: E402
    Objective,
    Optimizer,
    Precision,
    Schedule,
    TrainingOptions,
    parse_objective,
)
from tellapart.learning.training.trainer import Trainer  # noqa: E402


@dataclass
class Points:
    """Points around a centre for each identity; training adds noise drawn from the generator."""

    values: np.ndarray
    labels: np.ndarray

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(f"point {row}" for row in range(len(self.labels)))

    def training(self, rows: np.ndarray, draw: torch.Generator) -> torch.Tensor:
        points = self.plain(rows)
        return points + 0.1 * torch.randn(points.shape, generator=draw)

    def plain(self, rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.values[rows])

    def digest(self) -> str:
        return str(float(self.values.sum()))


def points(identities: int, each: int, seed: int) -> Points:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), each)
    values = random.normal(size=(identities, 8))[labels] + 0.3 * random.normal(size=(len(labels), 8))
    return Points(values.astype(np.float32), labels)


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    layers = torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Dropout(0.2)
    return torch.nn.Sequential(*layers, torch.nn.Linear(16, 4))


SETTINGS = TrainingOptions(dim=4, steps=60, identities=6, samples=4, check_every=10, learning_rate=1e-2)


def trainer(
    folder: Path | None = None, settings: TrainingOptions = SETTINGS, held_out: bool = True
) -> Trainer:
    judged = points(8, 6, seed=2) if held_out else None
    return Trainer(
        network(),
        make_objective(settings, 12),
        SampleFeed.of(points(12, 6, seed=1), settings),
        settings,
        held_out=judged,
        folder=folder,
    )


class KilledError(Exception):
    pass


def kill_at(step: int):
    def watch(look):
        if look.step == step:
            raise KilledError

    return watch


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("objective", [each for each in Objective if each is not Objective.NTXENT])
def test_every_objective_learns_to_tell_new_identities_apart(objective):
    settings = replace(SETTINGS, objective=objective, steps=200, check_every=100)
    history = trainer(settings=settings).run()
    looks = history.looks
    untrained = trainer(settings=replace(settings, steps=1)).run().looks[0]
    assert looks[history.best].quality.map_at_r > untrained.quality.map_at_r + 0.05
    assert looks[-1].loss < looks[0].loss


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": Optimizer.SGD, "learning_rate": 0.1},
        {"schedule": Schedule.LINEAR},
        {"precision": Precision.BFLOAT16},
        {"average": 0.0},
        {"sub_centres": 2},
        {"label_smoothing": 0.1},
    ],
    ids=str,
)
def test_every_option_learns(change):
    looks = trainer(settings=replace(SETTINGS, steps=40, **change)).run().looks
    assert looks[-1].loss < looks[0].loss


def test_a_resumed_run_takes_the_same_steps(tmp_path):
    whole = trainer()
    history = whole.run()
    broken = trainer(tmp_path / "c")
    with pytest.raises(KilledError):
        broken.run(watch=kill_at(30))
    resumed = trainer(tmp_path / "c")
    again = resumed.run()
    assert same(whole.network.state_dict(), resumed.network.state_dict())
    assert same(whole.objective.state_dict(), resumed.objective.state_dict())
    assert [look.loss for look in again.looks] == [look.loss for look in history.looks]
    assert [look.quality for look in again.looks] == [look.quality for look in history.looks]


def test_a_run_with_other_settings_is_not_resumed(tmp_path):
    with pytest.raises(KilledError):
        trainer(tmp_path / "c").run(watch=kill_at(20))
    with pytest.raises(TellapartError, match="trained with seed 0, not 1"):
        trainer(tmp_path / "c", replace(SETTINGS, seed=1)).run()


def test_a_kill_while_writing_leaves_the_last_checkpoint(tmp_path):
    with pytest.raises(KilledError):
        trainer(tmp_path / "c").run(watch=kill_at(20))
    (tmp_path / "c" / "step-000000030.partial").mkdir()
    checkpoint = read_checkpoint(tmp_path / "c")
    assert checkpoint is not None
    assert checkpoint.state["step"] == 20


def test_a_damaged_checkpoint_is_one_line(tmp_path):
    with pytest.raises(KilledError):
        trainer(tmp_path / "c").run(watch=kill_at(10))
    (tmp_path / "c" / "step-000000010" / "tensors.safetensors").write_bytes(b"no tensors")
    with pytest.raises(TellapartError, match="remove it to begin anew"):
        trainer(tmp_path / "c").run()


def test_training_stops_when_held_out_identities_gain_nothing_more():
    settings = replace(SETTINGS, steps=10_000, patience=3, check_every=5, learning_rate=1e-9)
    history = trainer(settings=settings).run()
    assert history.since_best() == 3
    assert history.looks[-1].step < 200


def test_the_best_weights_are_kept():
    made = trainer()
    history = made.run()
    from tellapart.learning.training.health import examine

    assert made.held_out is not None
    health = examine(made.features(made.held_out), made.held_out.labels)
    assert history.best is not None
    assert health == history.looks[history.best].quality


def test_the_sample_behind_a_nan_is_named():
    class Breaks(torch.nn.Module):
        def forward(self, features, labels):
            losses = features.square().sum(1)
            return torch.where(labels == 7, losses * torch.nan, losses).mean()

    made = trainer()
    made.objective = Breaks()
    with pytest.raises(TellapartError, match=r"step \d+: the loss is nan because of point 4[2-7]") as error:
        made.run()
    assert "\n" not in str(error.value)


def test_a_loss_that_breaks_everywhere_blames_the_learning_rate():
    class Breaks(torch.nn.Module):
        def forward(self, features, labels):
            return (features * torch.inf).sum()

    made = trainer()
    made.objective = Breaks()
    with pytest.raises(TellapartError, match="for every sample: lower the learning rate"):
        made.run()


def test_a_sample_that_is_not_finite_is_named_before_it_does_harm():
    made = trainer()
    made.feed.samples.values[44] = np.nan
    with pytest.raises(TellapartError, match=r"step \d+: the inputs of point 44 are not finite"):
        made.run()


def test_a_gradient_that_is_not_finite_stops_the_run():
    class Steep(torch.nn.Module):
        def forward(self, features, labels):
            return (features.detach() * 0).sum() + (self.power * 0).sqrt().sum()

    made = trainer()
    made.objective = Steep()
    made.objective.power = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(TellapartError, match="the gradient is not finite: lower the learning rate"):
        made.run()


def test_other_data_is_not_taken_for_the_old(tmp_path):
    with pytest.raises(KilledError):
        trainer(tmp_path / "c").run(watch=kill_at(20))
    other = trainer(tmp_path / "c")
    other.feed.samples.values[0] += 1
    with pytest.raises(TellapartError, match="trained on other data"):
        other.run()


def test_a_checkpoint_without_its_state_says_so(tmp_path):
    with pytest.raises(KilledError):
        trainer(tmp_path / "c").run(watch=kill_at(10))
    (tmp_path / "c" / "step-000000010" / "state.json").unlink()
    with pytest.raises(TellapartError, match=r"lacks state\.json"):
        trainer(tmp_path / "c").run()


@pytest.mark.parametrize("loaders", [0, 1, 3])
def test_threads_that_prepare_batches_change_nothing(loaders):
    feed = SampleFeed.of(points(12, 6, seed=1), SETTINGS, loaders=loaders)
    batches = feed.batches(3)
    for step in range(3, 9):
        assert torch.equal(next(batches).inputs, feed.batch(step).inputs)
    batches.close()


def test_margin_0_means_0_and_none_means_the_default():
    told = [replace(SETTINGS, margin=margin, scale=scale) for margin, scale in ((0.0, 8.0), (None, None))]
    assert strength(told[0]) == {"scale": 8.0, "margin": 0.0}
    assert strength(told[1]) == {"scale": 24.0, "margin": 0.3}
    assert make_objective(told[0], 3).margin.margin == 0


def test_the_rate_rises_then_falls_to_nothing():
    rates = [SETTINGS.rate(step) for step in range(61)]
    assert rates[0] == pytest.approx(SETTINGS.learning_rate / 3)
    assert max(rates) == SETTINGS.learning_rate
    assert np.argmax(rates) == 2
    assert (np.diff(rates[3:]) < 0).all()
    assert rates[60] == pytest.approx(0)


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"learning_rate": -1.0}, {"average": 1.0}, {"samples": 0}, {"clip": 0.0}]
)
def test_settings_that_cannot_be_are_refused(change):
    with pytest.raises(TellapartError):
        replace(SETTINGS, **change)
    with pytest.raises(TellapartError, match="unknown objective 'arc'"):
        parse_objective("arc")


CHILD = """
import sys, time
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
from pathlib import Path
from test_trainer import trainer
made = trainer(Path(sys.argv[1]))
def watch(look):
    print(look.step, flush=True)
    time.sleep(.2)
made.run(watch=watch)
torch.save(made.network.state_dict(), sys.argv[2])
"""


@pytest.mark.slow
def test_kill_9_changes_nothing(tmp_path):
    code = CHILD.format(tests=str(Path(__file__).parent))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}

    def child(name: str) -> subprocess.Popen:
        command = [sys.executable, "-c", code, str(tmp_path / name), str(tmp_path / f"{name}.pt")]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    assert child("whole").wait(120) == 0
    for killed_after in ("10", "30"):
        process = child("broken")
        assert process.stdout is not None
        while process.stdout.readline().strip() not in (killed_after, ""):
            time.sleep(0)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert child("broken").wait(120) == 0
    whole, broken = (torch.load(tmp_path / f"{name}.pt") for name in ("whole", "broken"))
    assert same(whole, broken)
