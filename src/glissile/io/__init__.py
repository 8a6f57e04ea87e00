"""Files in, files out: videos, label images, strain logs, model weights."""
