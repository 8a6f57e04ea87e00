"""From masks to tables, curves and figures."""
