"""The one registry of tools that MCP, the assistant and REST share."""
