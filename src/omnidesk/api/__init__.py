"""The JSON API: translate, call, translate."""
