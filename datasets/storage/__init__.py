"""Expand paths, write files atomically, and read untrusted files within limits."""
