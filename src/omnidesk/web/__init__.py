"""Pages rendered here: server-side HTML that needs no script. `pages.pages` gives their routes."""
