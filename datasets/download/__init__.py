"""Official files of data sets: known by size and SHA-256, fetched over https, verified."""
