"""What findings and structures are called and look like, and how a query about them is resolved."""
