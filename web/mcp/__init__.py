"""The MCP server over Streamable HTTP and HTTP with server-sent events."""
