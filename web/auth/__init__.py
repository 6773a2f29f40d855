"""Who is asking, whether they may, and the record of it."""
