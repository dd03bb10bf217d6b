"""What the program costs, beside what a peer costs."""
