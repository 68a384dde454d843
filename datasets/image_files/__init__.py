"""List image files in folders and zip archives, and read their classes and parts from their names."""
