"""What is kept on disk: documents, postings, vectors; one complete generation at a time."""
