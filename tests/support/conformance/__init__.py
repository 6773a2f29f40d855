"""MCP's conformance suite, and the server with everything that it asks for."""
