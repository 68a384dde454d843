"""Image files in folders and zip archives: list them, and read class and part from their names."""
