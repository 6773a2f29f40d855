"""Domain values: frozen dataclasses, enumerations and identifiers."""
