"""Where people and programs meet an index: context for language models, the MCP server, the HTTP API."""
