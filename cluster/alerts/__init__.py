"""When somebody should be told: rules, and the states of what they find."""
