"""Live fan-out of committed changes and current numbers over WebSocket."""
