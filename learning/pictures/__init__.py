"""Draw pictures: with matplotlib into files, and small ones in memory."""
