"""The typed options of loaders, each defined once, and how they are read from text."""
