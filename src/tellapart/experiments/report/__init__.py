"""The verdict as one HTML file that needs no network and no knowledge of statistics."""
