"""What the command line can do; each module declares COMMAND."""
