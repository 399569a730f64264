"""What a user types: one module for each noun; parse, call one function, print."""
