"""The model seam: which model, how it writes boxes and tool calls, and how it is called.

Knows no graph, no tools, no images beyond the blocks a chat message carries.
"""
