"""What is wrong, why, and what to do next: rules over facts, without a model and without guessing. Pure."""
