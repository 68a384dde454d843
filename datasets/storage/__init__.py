"""Files on disk: paths, atomic writes, bounded reads of files that nobody vouches for."""
