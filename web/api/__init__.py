"""REST under /api/v1, and the description of it (OpenAPI 3.1)."""
