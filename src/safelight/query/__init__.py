"""The query language: `parse` understands it, `compile` turns it into SQL."""
