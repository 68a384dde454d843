"""Write exports: one module for each format, and the table of them."""
