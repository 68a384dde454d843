"""Export trained networks for other programs, and check what they answer."""
