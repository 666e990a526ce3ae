"""What the interop tests share. Python's standard library only."""
