"""One reader per format: bytes or text in, Markdown out; records in, documents out."""
