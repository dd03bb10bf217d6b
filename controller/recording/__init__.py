"""What was recorded of a night, and what is read from it: the same decisions again, or another file's."""
