"""Encoders of texts: fine-tuning MiniLM, and tables distilled from a teacher."""
