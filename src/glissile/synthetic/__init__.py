"""Videos with known truth; draws on nothing but `glissile.video`."""
