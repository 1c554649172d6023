"""sextant.toml -> checked configuration."""
