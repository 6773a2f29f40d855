"""The WebSocket that tells what changed."""
