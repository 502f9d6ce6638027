"""Class centres that no single worker has to hold: sharding, sampling, lazy optimisation, checkpoints."""
