"""ComfyUI: the node pack that goes into it, the client and the watcher that look at it from outside, and replay."""
