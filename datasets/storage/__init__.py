"""Files on disk: paths, atomic writes, bounded reads of untrusted files."""
