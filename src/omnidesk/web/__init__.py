"""HTML rendered on the server."""
