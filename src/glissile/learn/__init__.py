"""U-Nets that learn defects from a few labelled frames."""
