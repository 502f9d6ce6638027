"""Training that tells the truth: batches, steps, checkpoints, health, reports."""
