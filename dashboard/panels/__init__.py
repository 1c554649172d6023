"""Parts of pages: each asks the desk through its frame and draws one thing."""
