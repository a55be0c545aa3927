"""Safelight: observability and alerting for image-generation services."""
