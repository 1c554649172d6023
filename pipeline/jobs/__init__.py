"""One step of the pipeline a file; jobs meet only in tables."""
