"""What training reaches, and how long it takes."""
