"""The cache of decoded images: a memory map that later runs open at once."""
