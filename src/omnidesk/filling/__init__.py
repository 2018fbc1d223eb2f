"""`omnidesk bench fill`: a desk as it looks after years, made in minutes, the same each time."""
