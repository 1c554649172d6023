"""One file a page; a page asks, draws and offers actions."""
