"""Feature rows in, point forecasts for every horizon out; one family a file."""
