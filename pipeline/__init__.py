"""Sources in, six-hour forecasts with their scored error out."""

__version__ = "0.5.0"
