"""What makes an alert; each module declares RULES."""
