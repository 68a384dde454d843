"""Published weights: read from files of many programs, mapped to our variables, loaded, and written again."""
