"""What is fast and what is even, measured; nothing here decides whether tests pass."""
