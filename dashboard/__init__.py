"""Warehouse -> pages: reads any table, writes only through actions."""
