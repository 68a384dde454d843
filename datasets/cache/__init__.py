"""Cache decoded images in memory maps, which later runs open without decoding."""
