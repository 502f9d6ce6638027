"""Configurations measured over a query set, what they share done once."""
