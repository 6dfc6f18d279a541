"""What figures and the report draw with: looks, axes and units, chosen curves, what struck."""
