"""HTTP: the API, the live stream and the page. It asks `answers` and shows; it decides nothing."""
