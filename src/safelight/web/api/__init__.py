"""The resources under `/api/v1`, a file each."""
