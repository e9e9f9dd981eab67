"""Foveate over the Model Context Protocol: the image tools and `ask`, for any MCP client.

`foveate mcp` starts it; `server.make_server` makes it. Needs the extra "mcp".
"""
