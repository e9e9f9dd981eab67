"""Open any file, frames and boxes, views, the image store. Knows no agent, no model and no tool."""
