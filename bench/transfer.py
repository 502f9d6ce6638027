"""Learn from the development collections how far synthetic queries may be trusted.

    TELLAPART_DATA=... python bench/transfer.py --output src/tellapart/experiments/data/transfer.json

Pairs are all variants of the grid (rrf left out) with the default of `auto`, once with minilm as the index's
encoder and once with lsa.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from development import COLLECTIONS, PLACE
from judged import data_folder
from tellapart.engine.configuration import Configuration
from tellapart.experiments.transfer import Pair, TransferModel, log_odds, move_between
from tellapart.rankers.registry import Parameters
from verdict_values import Values, human, made

ENCODERS = ("minilm", "lsa")
LEFT_OUT = ("rrf",)


@dataclass(frozen=True)
class Setting:
    """A collection with one encoder as its default's: values of both kinds of queries, and who can be chosen."""

    collection: str
    encoder: str
    default: str
    human: Values
    synthetic: Values

    @property
    def own(self) -> tuple[str, ...]:
        """Variants that an index with this encoder alone can use."""
        names = [name for name in self.human.names if name in self.synthetic.names]
        return tuple(name for name in names if configuration_of(name).encoder in (None, self.encoder))


def settings(data: Path, place: Path) -> list[Setting]:
    """Read all values and name the defaults."""
    found = []
    for collection in COLLECTIONS:
        of_people, of_corpus = human(collection, data, place), made(collection, data, place)
        default = next(
            name for name in of_people.names if name.startswith("minilm/") and name.endswith("/hybrid")
        )
        for encoder in ENCODERS:
            own = default.replace("minilm", encoder, 1)
            found.append(Setting(collection.name, encoder, own, of_people, of_corpus))
    return found


def pairs(setting: Setting) -> list[Pair]:
    """Compare every variant with the default of a setting."""
    default = configuration_of(setting.default)
    found = []
    for name in setting.human.names:
        configuration = configuration_of(name)
        if name == setting.default or configuration.ranker in LEFT_OUT or name not in setting.synthetic.names:
            continue
        gains = [
            log_odds(values.column(name)) - log_odds(values.column(setting.default))
            for values in (setting.synthetic, setting.human)
        ]
        found.append(Pair(move_between(default, configuration), *gains))
    return found


def fitted(settings: Sequence[Setting], left_out: str | None = None) -> TransferModel:
    """Fit on all settings but those of one collection."""
    used = [setting for setting in settings if setting.collection != left_out]
    names = tuple(dict.fromkeys(setting.collection for setting in used))
    return TransferModel.fit([pair for setting in used for pair in pairs(setting)], names)


def configuration_of(name: str) -> Configuration:
    """Read the name of a variant, parameters in brackets."""
    plain, _, given = name.partition("(")
    parsed = Configuration.parse(plain)
    parameters = dict(item.split("=") for item in given.rstrip(")").split(",")) if given else {}
    numbers = {key: float(value) for key, value in parameters.items()}
    return Configuration(parsed.encoder, parsed.granularities, parsed.ranker, Parameters(**numbers))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    every = settings(data_folder(), chosen.indexes)
    for collection in dict.fromkeys(setting.collection for setting in every):
        without = fitted(every, collection)
        sys.stderr.write(f"without {collection}: trained {without.trained:.3f}, error {without.error:.3f}\n")
    whole = fitted(every)
    sys.stdout.write(whole.encode())
    if chosen.output:
        chosen.output.write_text(whole.encode(), encoding="utf-8")


if __name__ == "__main__":
    main()
