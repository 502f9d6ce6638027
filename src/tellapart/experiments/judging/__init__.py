"""Judging by hand: which document to ask a person about next, and when the answers settle the verdict."""
