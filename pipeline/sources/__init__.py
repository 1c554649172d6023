"""Providers' wire formats -> rows of (series, valid_at, value, made_at)."""
