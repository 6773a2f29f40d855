"""The surfaces: dashboard, REST, WebSocket and MCP. Imports cluster, never agent."""
