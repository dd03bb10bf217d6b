"""What a person types: the command line, and the small programs behind it."""
