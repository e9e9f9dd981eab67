"""How far to trust a box: several ways to ask for it, how much they agree, and what that was worth."""
