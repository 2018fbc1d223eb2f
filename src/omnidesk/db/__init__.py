"""Every SQL statement of the house, in one module per noun."""
