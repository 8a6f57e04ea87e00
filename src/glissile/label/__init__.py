"""The masks of labelled frames, and which of them train and which validate."""
