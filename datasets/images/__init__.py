"""Single images: decode a file, convert depth and colour, find duplicates, check pixel values."""
